"""The engine: state as a fold of events, decisions on it, and the acts that follow."""
