"""Tests in the language: which there are, how one runs on a real engine, and what is told of it."""
