# test/unit: its part of the Makefile
