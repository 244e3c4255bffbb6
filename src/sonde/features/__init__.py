"""The features of a dictionary, browsed, described and used: a database, pages, descriptions, steering and guards."""
