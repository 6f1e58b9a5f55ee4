/* What the files of the responder share: responder.c (life, calls from outside), responder_loop.c
 * (its thread), responder_clients.c (what it does with clients), responder_pool.c (places and
 * queues), responder_sockets.c. */
#ifndef PENSTOCK_FRONT_RESPONDER_PARTS_H
#define PENSTOCK_FRONT_RESPONDER_PARTS_H

#include <pthread.h>
#include <semaphore.h>

#include "front/responder.h"
#include "refuse/dialogue_io.h"

#define RESPONDER_BACKLOG 4096
#define RESPONDER_NONE UINT32_MAX
/* Tags of epoll events for descriptors that belong to no client. */
#define RESPONDER_WAKE UINT32_MAX
#define RESPONDER_LISTENER_0 (UINT32_MAX - 1 - LISTENERS)

enum { LISTENER_V4, LISTENER_V6, LISTENER_EXTRA, LISTENERS = LISTENER_EXTRA + LISTENERS_MAX };

/* Everything that is known of a refused client. */
struct responder_client {
	struct dialogue dialogue;
	uint64_t deadline_us;
	uint32_t next, previous; /* in its queue, or in the free ones */
	int fd;
	uint8_t queue;
};

/* All clients of a queue have the same time limit, so the first one expires first, and no other has
 * to be looked at. */
enum { QUEUE_LINGER, QUEUE_DRAIN, QUEUES };
struct responder_queue {
	uint32_t first, last, count;
};

struct responder {
	struct responder_options options;
	pthread_t thread;
	bool running;
	sem_t opened; /* the thread has opened its sockets, or has failed */
	int result;
	char why[256];

	int listener[LISTENERS], epoll_fd, wake_fd;
	/* Written by the owner, read by the thread. */
	bool stop, down;
	struct plan plan; /* under plan_write() and plan_read() */
	pthread_mutex_t manner_lock;
	struct responder_manner fresh;
	bool manner_changed;

	/* Only the thread uses these. */
	struct responder_manner manner;
	struct plan current;
	struct cpu_limiter limiter;
	/* `most` of them, mapped: a page takes memory only when it is first used */
	struct responder_client *client;
	/* free: the first that was given back; unused: the first that was never used */
	uint32_t most, unused, free;
	struct responder_queue queue[QUEUES];
	uint64_t now_us, plan_us, blocked_until_us, accepted_us;
	int reserve_fd;
	char scratch[DIALOGUE_SCRATCH];

	/* Written by the thread with atomic stores; any thread may read it. */
	struct responder_view view;
};

/* In the thread: sets one field of what others see. */
#define RESPONDER_PUT(responder, field, value) \
	__atomic_store_n(&(responder)->view.field, (value), __ATOMIC_RELAXED)

/* The thread. */
void *responder_loop(void *responder);

/* In the thread: accepts a batch of clients and begins to talk with them. Returns whether more may
 * wait. */
bool responder_accept(struct responder *responder, int listener);
/* Reads what a client has said, and answers it; the client may be gone afterwards. */
void responder_hear(struct responder *responder, uint32_t index);
/* Ends the dialogues whose time is over. */
void responder_expire(struct responder *responder);
/* How many clients may be in dialogue now. */
uint32_t responder_linger_max(const struct responder *responder);

/* In the thread: a place for one more client, which is in no queue yet; RESPONDER_NONE: all are
 * used. It is the lowest free place, so that few clients use few pages. */
uint32_t responder_reserve(struct responder *responder);
void responder_put_back(struct responder *responder, uint32_t index);
void responder_enqueue(struct responder *responder, uint32_t index, unsigned queue,
		       uint64_t deadline_us);
void responder_dequeue(struct responder *responder, uint32_t index);
/* Closes a client that is in a queue, and puts its place back. */
void responder_release(struct responder *responder, uint32_t index);

/* In the thread. 0, or -errno with a sentence in `why`. */
int responder_open_sockets(struct responder *responder);

#endif
