/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the network does to datagrams, for cluster tests.
 *
 * cpgprobe echo ADDRESS PORT		sends back what comes, for ever; prints "ready" first
 * cpgprobe ask ADDRESS PORT COUNT	sends COUNT numbered datagrams there, one each MS milliseconds, and prints
 *				"sent N back N overtaken N fastest MS"; overtaken: those that came behind one sent later; fastest:
 *				there and back, in whole milliseconds
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define MS 2
#define LAST_WAIT_MS 3000 /* for those that are still on their way */

struct datagram {
	uint32_t number;
	uint64_t sent; /* ms */
};

struct asked {
	uint32_t back, overtaken, highest;
	uint64_t fastest;
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static struct sockaddr_in address_of(char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};

	address.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	inet_pton(AF_INET, argv[2], &address.sin_addr);
	return address;
}

static int echo(int fd, const struct sockaddr_in *address)
{
	struct datagram datagram;
	struct sockaddr_in from;
	socklen_t length;

	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
		perror("bind");
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		length = sizeof(from);
		if (recvfrom(fd, &datagram, sizeof(datagram), 0, (struct sockaddr *)&from, &length) > 0)
			sendto(fd, &datagram, sizeof(datagram), 0, (struct sockaddr *)&from, length);
	}
}

/* What comes until that time. */
static void listen_until(int fd, uint64_t end, uint32_t count, struct asked *asked)
{
	struct pollfd polled = {.fd = fd, .events = POLLIN};
	struct datagram datagram;
	uint64_t time;

	while (asked->back < count && (time = now()) < end) {
		if (poll(&polled, 1, (int)(end - time)) <= 0 || recv(fd, &datagram, sizeof(datagram), 0) <= 0)
			continue;
		time = now() - datagram.sent;
		asked->back++;
		asked->overtaken += datagram.number < asked->highest;
		asked->highest = datagram.number > asked->highest ? datagram.number : asked->highest;
		asked->fastest = time < asked->fastest ? time : asked->fastest;
	}
}

static int ask(int fd, const struct sockaddr_in *address, uint32_t count)
{
	struct asked asked = {.fastest = UINT64_MAX};
	struct datagram datagram = {.number = 0};

	while (datagram.number < count) {
		datagram.number++;
		datagram.sent = now();
		sendto(fd, &datagram, sizeof(datagram), 0, (const struct sockaddr *)address,
		       sizeof(*address));
		listen_until(fd, datagram.sent + MS, count, &asked);
	}
	listen_until(fd, now() + LAST_WAIT_MS, count, &asked);
	printf("sent %" PRIu32 " back %" PRIu32 " overtaken %" PRIu32 " fastest %" PRIu64 "\n", count,
	       asked.back, asked.overtaken, asked.fastest);
	return asked.back > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address;

	if (argc < 4 || fd < 0) {
		fprintf(stderr, "usage: cpgprobe echo ADDRESS PORT, or cpgprobe ask ADDRESS PORT COUNT\n");
		return 2;
	}
	address = address_of(argv);
	if (argc == 4 && strcmp(argv[1], "echo") == 0)
		return echo(fd, &address);
	return ask(fd, &address, argc == 5 ? (uint32_t)strtoul(argv[4], NULL, 10) : 1);
}
