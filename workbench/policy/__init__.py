"""Every threshold with its source; the one place a release is judged against."""

from workbench.policy.policy import PROFILES, Policy, Threshold, Value, load, parse_override

__all__ = ["PROFILES", "Policy", "Threshold", "Value", "load", "parse_override"]
