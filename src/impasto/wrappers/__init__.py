"""What every method can be told besides its own options: stylizer in, stylizer out."""
