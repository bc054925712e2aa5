"""
A team's labs behind one address: JupyterHub, its proxy in Python, one locked room for each analyst.

Who somebody is comes from the home's accounts, and what they may do from the one table of permissions; the hub
keeps no people and no rights of its own. Reviewers have their pages here, and no server.
"""
