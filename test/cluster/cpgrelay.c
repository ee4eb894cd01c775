/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpgrelay SEED: a wire between tap devices that delays and reorders Ethernet frames, for kernels without netem. It
 * does what its standard input says, until that ends, and answers each line with one.
 *
 * Input:	link NETNS1 NAME1 NETNS2 NAME2	makes a tap device in each of the two network namespaces (names as `ip netns`
 *				has them), and a wire between them: a node's end, and the switch's end
 *		weather DELAY_MS JITTER_MS HELD_PERCENT		of what nodes send from now on; what they get is not delayed
 *		status
 * Output:	ok forwarded N delayed N held N dropped N	so far
 *		error TEXT
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "relay_queue.h"

#define SECOND UINT64_C(1000000000)
#define FRAMES_AT_ONCE 64

struct input {
	char text[4096];
	size_t used;
};

struct relay {
	struct relay_queue queue;
	struct input input;
	struct pollfd polled
		[1 + 2 * RELAY_PORTS]; /* standard input, then of each port the node's end and the switch's */
	uint32_t ports;
	uint64_t forwarded, dropped;
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static int node_end(const struct relay *relay, uint32_t port)
{
	return relay->polled[1 + 2 * port].fd;
}

static int switch_end(const struct relay *relay, uint32_t port)
{
	return relay->polled[2 + 2 * port].fd;
}

/* A device that is down, or has no room, loses frames as any does. */
static void send_frame(struct relay *relay, int fd, const uint8_t *bytes, size_t size)
{
	if (write(fd, bytes, size) == (ssize_t)size)
		relay->forwarded++;
	else
		relay->dropped++;
}

/* Without room in the queue the frame is read all the same, or the device would be ready for ever. */
static bool take_from_node(struct relay *relay, uint32_t port)
{
	uint8_t lost[RELAY_FRAME_MAX];
	struct relay_frame *frame = relay_queue_room(&relay->queue);
	ssize_t size = read(node_end(relay, port), frame != NULL ? frame->bytes : lost, RELAY_FRAME_MAX);

	if (size <= 0)
		return false;
	if (frame == NULL) {
		relay->dropped++;
		return true;
	}
	frame->port = port;
	frame->size = (uint32_t)size;
	relay_queue_add(&relay->queue, now());
	return true;
}

static bool take_from_switch(struct relay *relay, uint32_t port)
{
	uint8_t bytes[RELAY_FRAME_MAX];
	ssize_t size = read(switch_end(relay, port), bytes, sizeof(bytes));

	if (size <= 0)
		return false;
	send_frame(relay, node_end(relay, port), bytes, (size_t)size);
	return true;
}

static void take_frames(struct relay *relay)
{
	uint32_t port;
	int i;

	for (port = 0; port < relay->ports; port++) {
		if (relay->polled[1 + 2 * port].revents != 0)
			for (i = 0; i < FRAMES_AT_ONCE && take_from_node(relay, port); i++)
				continue;
		if (relay->polled[2 + 2 * port].revents != 0)
			for (i = 0; i < FRAMES_AT_ONCE && take_from_switch(relay, port); i++)
				continue;
	}
}

static void send_due(struct relay *relay)
{
	const struct relay_frame *frame;
	uint64_t time = now();

	while ((frame = relay_queue_first(&relay->queue)) != NULL && frame->due <= time) {
		send_frame(relay, switch_end(relay, frame->port), frame->bytes, frame->size);
		relay_queue_remove(&relay->queue);
	}
}

/* NULL: until something happens. */
static const struct timespec *time_to_wait(const struct relay *relay, struct timespec *wait)
{
	const struct relay_frame *frame = relay_queue_first(&relay->queue);
	uint64_t time = now(), left;

	if (frame == NULL)
		return NULL;
	left = frame->due > time ? frame->due - time : 0;
	wait->tv_sec = (time_t)(left / SECOND);
	wait->tv_nsec = (long)(left % SECOND);
	return wait;
}

/* The process stays in that namespace: it needs none. */
static int enter_namespace(const char *name)
{
	char path[512];
	int fd, entered;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	entered = setns(fd, CLONE_NEWNET);
	close(fd);
	return entered;
}

/* Returns its descriptor, or -1 and errno. */
static int make_tap(const char *space, const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd;

	if (enter_namespace(space) != 0)
		return -1;
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static const char *add_link(struct relay *relay, const char *arguments)
{
	char space[2][256], name[2][IFNAMSIZ];
	struct pollfd *ends = &relay->polled[1 + 2 * relay->ports];

	if (sscanf(arguments, "%255s %15s %255s %15s", space[0], name[0], space[1], name[1]) != 4)
		return "link wants two namespaces and names";
	if (relay->ports == RELAY_PORTS)
		return "too many links";
	ends[0] = (struct pollfd){.fd = make_tap(space[0], name[0]), .events = POLLIN};
	if (ends[0].fd < 0)
		return strerror(errno);
	ends[1] = (struct pollfd){.fd = make_tap(space[1], name[1]), .events = POLLIN};
	if (ends[1].fd < 0) {
		close(ends[0].fd);
		return strerror(errno);
	}
	relay->ports++;
	return NULL;
}

static const char *set_weather(struct relay *relay, const char *arguments)
{
	struct relay_weather weather;

	if (sscanf(arguments, "%" SCNu32 " %" SCNu32 " %" SCNu32, &weather.delay_ms, &weather.jitter_ms,
		   &weather.held_percent) != 3 ||
	    weather.held_percent > 100)
		return "weather wants milliseconds, milliseconds, and a percentage";
	relay->queue.weather = weather;
	return NULL;
}

static void obey(struct relay *relay, const char *line)
{
	const char *error = NULL;

	if (strncmp(line, "link ", 5) == 0)
		error = add_link(relay, line + 5);
	else if (strncmp(line, "weather ", 8) == 0)
		error = set_weather(relay, line + 8);
	else if (strcmp(line, "status") != 0)
		error = "link, weather or status?";
	if (error != NULL)
		printf("error %s\n", error);
	else
		printf("ok forwarded %" PRIu64 " delayed %" PRIu64 " held %" PRIu64 " dropped %" PRIu64 "\n",
		       relay->forwarded, relay->queue.delayed, relay->queue.held, relay->dropped);
}

/* False at its end, and when a line is too long to be one. */
static bool take_input(struct relay *relay)
{
	struct input *input = &relay->input;
	ssize_t got = read(STDIN_FILENO, input->text + input->used, sizeof(input->text) - input->used);
	char *line = input->text, *end;

	if (got <= 0)
		return got < 0 && errno == EINTR;
	input->used += (size_t)got;
	while ((end = memchr(line, '\n', input->used - (size_t)(line - input->text))) != NULL) {
		*end = '\0';
		obey(relay, line);
		line = end + 1;
	}
	input->used -= (size_t)(line - input->text);
	memmove(input->text, line, input->used);
	return input->used < sizeof(input->text);
}

int main(int argc, char **argv)
{
	static struct relay relay;
	struct timespec wait;

	if (argc != 2) {
		fprintf(stderr, "usage: cpgrelay SEED\n");
		return 2;
	}
	if (relay_queue_init(&relay.queue, strtoull(argv[1], NULL, 10)) != 0) {
		perror("cpgrelay");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	relay.polled[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	do {
		if (ppoll(relay.polled, 1 + 2 * relay.ports, time_to_wait(&relay, &wait), NULL) < 0)
			continue;
		take_frames(&relay);
		send_due(&relay);
	} while (relay.polled[0].revents == 0 || take_input(&relay));
	relay_queue_clear(&relay.queue);
	return 0;
}
