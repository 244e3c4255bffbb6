"""The lists of the small world agree with one another."""

from sonde.specimens.words import world


def test_lists_do_not_overlap():
    assert len(set(world.NAMES)) == 80
    assert not set(world.NAMES) & set(world.COUNTRIES)
    assert not set(world.CAPITALS.values()) & set(world.COUNTRIES)
    assert len(set(world.CAPITALS.values())) == len(world.CAPITALS)
    assert len(set(world.WORD_POOL)) == len(world.WORD_POOL)


def test_everything_has_one_class_and_every_class_has_several():
    members = [member for names in world.CLASSES.values() for member in names]
    assert len(set(members)) == len(members)
    assert not set(world.CLASSES) & set(members)
    assert all(len(names) > 1 for names in world.CLASSES.values())


def test_a_tenth_is_held_out():
    held = sum(world.held_out(*sorted((a, b))) for a in world.NAMES for b in world.NAMES)
    assert 0.08 < held / 80**2 < 0.12
