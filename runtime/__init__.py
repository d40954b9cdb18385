"""The decision core: values, facts, decisions. Never imports the compiler."""
