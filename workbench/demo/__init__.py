"""
The demonstration: the main job on the synthetic city, from raw tables to scored candidates.

Every step does what a person would do with the commands; nothing in it is a mock. Its people and their
keys are demonstration persons, and what it admits never verifies in another home.
"""
