# man: its part of the Makefile
