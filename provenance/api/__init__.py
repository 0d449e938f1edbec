"""The HTTP door of provenance: parse, call one use case, present; what others own is not found."""
