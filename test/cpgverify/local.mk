# test/cpgverify: its part of the Makefile
cpgverify_core = test/cpgverify/bytes.h test/cpgverify/memory.c test/cpgverify/memory.h \
	test/cpgverify/intern.c test/cpgverify/intern.h test/cpgverify/log_format.h \
	test/cpgverify/log_read.c test/cpgverify/log_read.h test/cpgverify/report.c \
	test/cpgverify/report.h test/cpgverify/verify.h test/cpgverify/verify_align.c \
	test/cpgverify/verify_load.c test/cpgverify/verify_order.c test/cpgverify/verify_sent.c \
	test/cpgverify/verify_session.c test/cpgverify/verify_split.c test/cpgverify/verify_synchrony.c \
	test/cpgverify/verify_view.h test/cpgverify/log_write.c test/cpgverify/log_write.h
bin_PROGRAMS += cpgverify
cpgverify_SOURCES = $(cpgverify_core) test/cpgverify/check.c test/cpgverify/check.h \
	test/cpgverify/digest.c test/cpgverify/digest.h test/cpgverify/dump.c test/cpgverify/main.c \
	test/cpgverify/message.c test/cpgverify/message.h test/cpgverify/options.c \
	test/cpgverify/options.h test/cpgverify/run.c test/cpgverify/run.h test/cpgverify/session.c \
	test/cpgverify/session.h test/cpgverify/traffic.c test/cpgverify/traffic.h
cpgverify_CFLAGS = $(AM_CFLAGS) $(NSS_CFLAGS)
cpgverify_LDADD = lib/libcpg.la $(NSS_LIBS)
