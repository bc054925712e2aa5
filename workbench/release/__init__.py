"""Request, checks, report, votes, admission, catalogue and registry: the one door between the rooms."""
