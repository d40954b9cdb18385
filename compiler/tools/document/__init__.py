"""A policy as a document for people who answer for it: one model, and pages made from it."""
