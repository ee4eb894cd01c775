# conf: its part of the Makefile
