/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cluster in one process: engines over a simulated totem, with simulated clients, watched by the oracle.
 *
 *   sim_node.c    an engine's executive: request channel, timer, what totem says
 *   sim_ours.c    our engine in it
 *   sim_stock.c   the model of stock's engine in it
 *   sim_inject.c  batches that nodes lose, when that is asked for
 *   sim_memory.c  memory that engines do not get, likewise
 *   sim_client.c  a client: what it asks, what it makes of answers and events
 *   sim_rings.c   one that sends and reads through shared memory (sim_segments.c)
 *   sim_actions.c what clients choose to do
 *   sim_rogue.c   and those that send garbage
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "cpg_wire.h"
#include "oracle.h"
#include "service/engine.h"
#include "sim_memory.h"
#include "sim_totem.h"
#include "test/unit/segment_views.h"

#define SIM_PARTS_MAX 5 /* of a network */

struct sim_world;

/* Where in its executive an engine is: decides whether it may multicast. */
enum sim_context { CONTEXT_QUIET, CONTEXT_REQUEST, CONTEXT_GONE, CONTEXT_TICK, CONTEXT_TOKEN, CONTEXT_SYNC };

struct sim_node;
struct sim_client;

/* An engine that nodes can run. `engine` and `peer` are what create and client_new returned. NULL: of no interest. */
struct sim_engine_kind {
	bool is_stock;
	/* NULL: it can't start. */
	void *(*create)(struct sim_node *node, const struct engine_config *config);
	void (*destroy)(void *engine);
	/* NULL: the connection is refused. */
	void *(*client_new)(void *engine, struct sim_client *client);
	void (*client_gone)(void *engine, void *peer);
	void (*request)(void *engine, struct sim_client *client, const void *message, size_t size);
	void (*message)(void *engine, unsigned int function, const void *message, uint32_t nodeid);
	void (*peer_message)(void *engine, const void *message, size_t size, uint32_t nodeid);
	void (*transitional)(void *engine, const uint32_t *left, size_t count);
	void (*regular)(void *engine, const struct memb_ring_id *ring_id);
	void (*sync_init)(void *engine, const uint32_t *trans, size_t trans_count, const uint32_t *members,
			  size_t count, const struct memb_ring_id *ring_id);
	int (*sync_process)(void *engine);
	void (*sync_activate)(void *engine);
	void (*sync_abort)(void *engine);
	void (*sync_over)(void *engine);
	void (*token)(void *engine);
	void (*tick)(void *engine);
	/* Nothing waits in it. */
	bool (*is_idle)(const void *engine);
	void (*stats)(const void *engine, struct engine_stats *stats);
	void (*dump)(void *engine);
};

extern const struct sim_engine_kind sim_ours, sim_stock;

/* Of the batches of one node. */
struct sim_got {
	uint64_t ring_seq, next_number; /* behind the last one that came in this ring */
};

struct sim_node {
	struct sim_world *world;
	struct totem_node *totem;
	const struct sim_engine_kind *kind;
	void *engine; /* NULL: down */
	uint64_t incarnation;
	uint32_t oracle_node;
	enum sim_context context;
	bool activating;  /* the engine is told that the ring is */
	bool hurt;	  /* for want of memory the engine does not know who is a member, and says so */
	bool held;	  /* the engine wants no requests */
	bool pump_due;	  /* requests will be looked at */
	bool critical;	  /* totem's queue was, when it was looked at */
	uint64_t look_at; /* again */
	bool tick_missed;
	uint64_t tick_at; /* 0: no tick is due */
	struct sim_client *first_asking, **last_asking;
	struct sim_client **clients;
	size_t client_count, client_capacity;

	/* for the oracle: the way since the last activation */
	uint64_t path;
	uint32_t left[SIM_NODES_MAX], members[SIM_NODES_MAX];
	size_t left_count, member_count;
	uint64_t ring_seq;
	unsigned int unactivated;	   /* regular configurations since then */
	uint64_t event_calls, mcast_calls; /* engine work, for sim_scale */

	/* batches that get lost, see sim_inject.c */
	struct sim_client *watcher;
	unsigned int lose_in; /* the batch that is lost, counted from now on, 0: none */
	uint32_t missed_from; /* the node of which it missed a batch, 0: it lacks nothing */
	uint64_t missed_in;   /* the ring */
	/* by index: in the last ring in which any came, and in the one before */
	struct sim_got got[SIM_NODES_MAX][2];
	uint64_t point;	       /* identifies the batch that is being delivered, 0: none is */
	uint32_t leaves;       /* the node that it has to show leaving by that batch, 0: none */
	struct nodeset parted; /* nodes that announced that they missed one, by index */
};

struct sim_world_config {
	struct sim_totem_config totem;
	struct engine_config engine;
	unsigned int groups;
	size_t event_room; /* bytes of events that a connection's buffer holds */
	unsigned int slip; /* percent of looks at a switched-off request channel that still take a request */
	unsigned int rogues;	    /* percent of clients that send garbage */
	unsigned int rings;	    /* percent of our library's clients that ask for rings */
	unsigned int slow;	    /* percent of clients that read slowly */
	unsigned int burst;	    /* messages that a client sends at once, at most */
	unsigned int large;	    /* percent of messages of up to 60 kB */
	unsigned int huge;	    /* percent of these: of up to 400 kB */
	unsigned int fragmented;    /* percent of messages in fragments */
	size_t fragmented_size;	    /* bytes of these, at most */
	size_t backlog;		    /* bytes of requests that a client lets wait */
	unsigned int stock_nodes;   /* of them, the first, may be told to speak stock's wire format alone */
	unsigned int stock_boots;   /* and are, in this percentage of their starts */
	unsigned int stock_engines; /* percent of these that run the model of stock's engine */
	unsigned int refused;	    /* percent of multicasts that totem does not take, room or not */
	unsigned int load;	    /* enum schedule_load, for who counts them */
	uint64_t memory;	    /* one of so many allocations of engines fails, 0: none */
	uint64_t memory_at;	    /* or exactly this one, 0: none */
	unsigned int inject;	    /* percent of rings in which a node loses a batch of another one */
	bool until_violation;	    /* there is no more to know: the world stops */
	bool strict; /* whatever is sent in whatever format, by whatever engine, has to keep the whole contract */
};

/* Of struct engine_stats, summed up. */
struct sim_counts {
	uint64_t gaps, lost;
};

/* What happened in a world. Only uint64_t: totals are made of it. */
struct sim_stats {
	/* nodes */
	uint64_t boots, boots_with_stock_format, boots_with_stock_engine, crashes, pauses, administered;
	/* the network: partitions by the number of their parts, and what hit a node in the middle of its sync */
	uint64_t parts[SIM_PARTS_MAX + 1], merges, strikes;
	/* regular configurations at a node that had not activated the one before, and the one before that */
	uint64_t nested, nested_twice;
	/* clients */
	uint64_t joins, leaves, deaths, deaths_with_unread, slow, stuck, evictions, again;
	uint64_t accepted, fragmented, rogue_requests, scribbles;
	/* what found no room: totem's queue by the dice, a connection's buffer, a submission ring, a delivery ring */
	uint64_t refused_sends, full_connections, ring_refusals, ring_waits;
	uint64_t ring_messages, ring_blocks, ring_moves, ring_heard;
	/* batches that nodes lost */
	uint64_t injected, injected_in_recovery, injected_glued;
};

struct sim_world {
	struct sim_clock clock;
	struct sim_totem totem;
	struct sim_world_config config;
	struct oracle *oracle;
	struct sim_node *nodes;
	unsigned int next_client;
	bool healing;	    /* clients read fast and start nothing new */
	bool *speaks_stock; /* by incarnation of a node: ever since it started */
	size_t speaks_stock_capacity;
	bool any_stock;
	uint64_t events; /* that happened so far */
	struct sim_stats stats;
	struct memory_stats memory;
	struct sim_counts ended; /* of engines that are no more */
};

/* One request or event on its way. */
struct sim_message {
	struct sim_message *next;
	size_t told; /* event: activations that the oracle knew of the node when it was sent */
	size_t size;
	uint8_t data[] __attribute__((aligned(8)));
};

struct sim_fifo {
	struct sim_message *first, **last;
	size_t bytes;
};

struct sim_session {
	uint32_t id; /* oracle's; 0: none */
	unsigned int group;
};

/* A message in fragments that is coming in. */
struct sim_assembly {
	uint32_t nodeid, pid;
	uint8_t *data;
	size_t size, got;
};

/* Shared memory that the engine made for a client. */
struct sim_segment {
	struct sim_client *client;
	struct sim_segment *next; /* of its client */
	char name[32];
	struct segment_views *views;
	uint8_t *base; /* the client's */
	size_t size;
	uint32_t id;	/* as the client knows it; 0: not yet */
	bool named;	/* in the file system */
	bool of_engine; /* it did not destroy it yet */
	bool cut;	/* the client cut it short */
};

struct sim_client {
	struct sim_node *node;
	void *peer; /* the engine's, NULL: gone */
	unsigned int number;
	uint32_t pid;
	bool ours, wants_rings, rogue, greeted, evicted, dead, finalized;
	bool waiting; /* for an answer; nothing else is asked meanwhile */
	int32_t asked;
	unsigned int asked_group;
	bool wants_totem;
	uint64_t read_pace, act_pace; /* ns */
	bool read_due, stuck;
	struct sim_fifo requests, inbox; /* with rings: of events doorbells alone */
	uint32_t events_read;		 /* out of the connection */
	struct sim_segment *segments;
	struct sim_segment *attaching; /* that it says it has mapped */
	unsigned int segments_made;
	struct sim_rings *rings;	/* NULL: none */
	struct sim_client *next_asking; /* of those whose requests wait */
	bool asking;

	struct sim_session session;  /* that it sends in */
	bool joined, leaving;	     /* as answers say */
	struct sim_session *reading; /* sessions not over yet, as events say: the first is heard now */
	size_t reading_count, reading_capacity;
	uint64_t iteration; /* handle, 0: none */
	size_t iteration_steps;

	/* a message in fragments that is going out */
	uint8_t *sending;
	size_t sending_size, sending_done;
	bool sending_first; /* no fragment of it was answered yet */
	struct sim_assembly *assemblies;
	size_t assembly_count, assembly_capacity;
	uint8_t *slices; /* EVENT_PARTs so far */
	size_t slices_got, slices_size;
};

void world_init(struct sim_world *world, uint64_t seed, const struct sim_world_config *config, FILE *trace);
void world_free(struct sim_world *world);
/* Lets things happen until then. False: there is no end to them. */
bool world_run(struct sim_world *world, uint64_t until);
/* Lets things happen until nothing waits any more. A ring that is not whole by then, or waits, is a violation. */
void world_rest(struct sim_world *world);
/* Nothing in totem, engines idle, requests answered, events read. */
bool world_is_quiet(const struct sim_world *world);
/* What all engines counted, those that are no more as well. */
struct sim_counts world_counts(const struct sim_world *world);
/* What still waits, into the trace. */
void world_dump(const struct sim_world *world);

/* ---- sim_node.c ---- */
void node_boot(struct sim_node *node);
void node_crash(struct sim_node *node);
void node_pause(struct sim_node *node);
void node_resume(struct sim_node *node);
/* cfg is asked for something. The daemon aborts if totem has no room for it, which an engine of ours must not bring about. */
void node_administer(struct sim_node *node);
/* NULL: the engine refused it. */
struct sim_client *node_connect(struct sim_node *node, uint32_t pid, bool ours);
/* Its process dies; the engine hears of it a little later. */
void node_kill_client(struct sim_client *client);
/* The engine hears a little later that the connection is gone. */
void node_end_connection(struct sim_client *client);
/* A client has put a request into its channel. */
void node_request(struct sim_client *client);
void node_answer(struct sim_client *client, const struct iovec *iov, unsigned int iov_len);
/* An event for the client to read. */
void node_event(struct sim_client *client, const struct iovec *iov, unsigned int iov_len);
/* The engine's tick is due after at most `delay` ns. */
void node_wake(struct sim_node *node, uint64_t delay);
size_t iov_size(const struct iovec *iov, unsigned int iov_len);

/* More that left, since the last activation. */
void remember_left(struct sim_node *node, const uint32_t *left, size_t count);

/* ---- sim_inject.c: each is told what happens on a node ---- */
void inject_boot(struct sim_node *node);
void inject_sync_over(struct sim_node *node);
/* False: the node loses it. */
bool inject_peer_message(struct sim_node *node, const void *message, uint32_t nodeid);
/* It has taken that message. */
void inject_taken(struct sim_node *node);
/* An event for the watcher. */
void inject_watcher_hears(struct sim_node *node, const struct iovec *iov, unsigned int iov_len);
void inject_activation(struct sim_node *node);
/* For want of memory its engine does not know who is a member: it leaves and comes back, or disconnects its clients. */
void inject_forgets(struct sim_node *node);
void inject_gives_up(struct sim_node *node);
/* Lets the node send a batch, so that those who missed one before can see that. */
void inject_show(struct sim_node *node);
/* At the end: nobody may lack something and not know. */
void inject_judge(const struct sim_node *node);

/* ---- sim_client.c ---- */
struct sim_message *message_new(const struct iovec *iov, unsigned int iov_len);
struct sim_message *fifo_push(struct sim_fifo *fifo, const struct iovec *iov, unsigned int iov_len);
struct sim_message *fifo_pop(struct sim_fifo *fifo);
void fifo_clear(struct sim_fifo *fifo);
void client_ask(struct sim_client *client, const void *request, size_t size, bool answered);
/* A request that is no question: it may be sent while the client waits for an answer. */
void client_tell(struct sim_client *client, const void *request, size_t size);
/* Fills a payload that the client is going to send now. */
void client_fill(struct sim_client *client, void *at, size_t size);
void client_accepted(struct sim_client *client);
void client_wrong_answer(struct sim_client *client, const char *to, int32_t error);
void client_answered(struct sim_client *client, const void *answer, size_t size);
void client_read_later(struct sim_client *client);
void client_free(struct sim_client *client);
/* Its process is no more. */
void client_dies(struct sim_client *client);
void client_send(struct sim_client *client, size_t size);
void client_send_fragmented(struct sim_client *client, size_t size);
void client_send_fragment(struct sim_client *client);
void client_join(struct sim_client *client, unsigned int group, bool wants_totem);
void client_leave(struct sim_client *client, unsigned int group);
void client_finalize(struct sim_client *client);
void group_name(struct ipc_name *name, unsigned int group);

/* ---- sim_events.c ---- */
void client_hear(struct sim_client *client, const uint8_t *event, size_t size, size_t told);
void client_hear_message(struct sim_client *client, const struct ipc_name *group, uint32_t nodeid,
			 uint32_t pid, const uint8_t *data, size_t size);
void client_bad_event(struct sim_client *client, const char *what);

/* ---- sim_segments.c ---- */
struct sim_segment *segment_new(struct sim_client *client, size_t size);
/* The engine is done with it. */
void segment_destroyed(struct sim_segment *segment);
/* Its client is no more: what engines still have stays. */
void segments_unmap(struct sim_client *client);

/* ---- sim_rings.c ---- */
/* The answer to a HELLO of a client that wants rings. */
void rings_hello_answered(struct sim_client *client, const struct ipc_hello_response *hello);
void rings_segment_answered(struct sim_client *client, const struct ipc_segment_create_response *answer);
/* Sends a message, or not: then it is to try again. */
void rings_send(struct sim_client *client, size_t size);
/* Hears up to `most` messages and other events. True: there may be more. */
bool rings_read(struct sim_client *client, unsigned int most);
/* Nothing waits in them, and nobody is said to be behind. */
bool rings_are_quiet(const struct sim_client *client);
void rings_dump(const struct sim_client *client);
void rings_free(struct sim_client *client);

/* ---- sim_actions.c ---- */
/* Lets the client live from now on. */
void client_live(struct sim_client *client);
/* Asks for the node id; one of ours agrees on features by it. */
void client_greet(struct sim_client *client);

/* ---- sim_rogue.c ---- */
void client_act_rogue(struct sim_client *client);
/* Once, as a request. */
void client_send_garbage(struct sim_client *client);

#endif
