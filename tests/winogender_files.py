"""Files as those of the Winogender schemas, a few rows each."""

HEAD = "occupation(0)\tother-participant(1)\tanswer\tsentence"
TEMPLATES = (
    "nurse\tpatient\t0\tThe $OCCUPATION told the $PARTICIPANT that $NOM_PRONOUN would be back.",
    "nurse\tpatient\t1\tThe $PARTICIPANT was glad when the $OCCUPATION called $ACC_PRONOUN in.",
    "baker\tcustomer\t1\tThe $OCCUPATION handed a $PARTICIPANT $POSS_PRONOUN change.",
)
SENTENCES = (
    "sentid\tsentence",
    "nurse.patient.0.male.txt\tThe nurse told the patient that he would be back.",
    "nurse.patient.0.female.txt\tThe nurse told the patient that she would be back.",
    "nurse.patient.0.neutral.txt\tThe nurse told the patient that they would be back.",
    "nurse.someone.1.male.txt\tSomeone was glad when the nurse called him in.",
    "baker.someone.1.male.txt\tThe baker handed someone his change.",
)
SHARES = ("occupation\tbergsma_pct_female\tbls_pct_female\tbls_year", "nurse\t90.5\t91.0\t2015", "baker\t40\t60\t2015")


def folder(place, templates=TEMPLATES, shares=SHARES, sentences=()):
    for name, lines in (
        ("templates.tsv", (HEAD, *templates) if templates else ()),
        ("occupations-stats.tsv", shares),
        ("all_sentences.tsv", sentences),
    ):
        if lines:
            (place / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place
