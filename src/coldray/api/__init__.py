"""The front door: what `import coldray` offers, arrays and files in, frozen results out; the command line calls it."""
