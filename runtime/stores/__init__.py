"""What an engine keeps beside its journal. All of it can be made again from the journal; none of it is believed against it."""
