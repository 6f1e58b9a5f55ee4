/* The messages between penstockd and the process that talks to the fleet's store, over a pair of
 * sockets that keep the borders of messages (SOCK_SEQPACKET). Both are the same program.
 *
 * penstockd --sealed frames, a connecting socket--> penstockd-fleet <--TLS, RESP--> store
 *           <--sealed frames, reports--------------  (no privilege)
 *
 * The frames (core/fleet.h) are sealed and opened in penstockd, and the key stays there. So a
 * process that was taken over can do no more than a store that lies. A message is a struct
 * exchange_head and what stands behind it. */
#ifndef PENSTOCK_FLEET_EXCHANGE_WIRE_H
#define PENSTOCK_FLEET_EXCHANGE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "core/fleet.h"
#include "fleet/secret.h"

#define EXCHANGE_ARGUMENT "--fleet-process" /* of penstockd: not for people */
#define EXCHANGE_WHY 256 /* a clause that says why something does not work */

enum exchange_stream { EXCHANGE_LEDGER, EXCHANGE_HOSTS, EXCHANGE_STREAMS };

enum exchange_word {
	/* to the process */
	EXCHANGE_BEGIN, /* struct exchange_begin; before all others */
	/* A socket and the files of TLS that BEGIN announced, and struct exchange_login. `value`:
	 * errno if there is no socket; then `why` says more */
	EXCHANGE_SOCKET,
	EXCHANGE_SAY, /* `value`: enum exchange_stream; a frame */
	/* to penstockd */
	EXCHANGE_BEGUN, /* it is ready; `value`: errno of the missing sandbox */
	EXCHANGE_WANT, /* a socket to server number `value` */
	/* `value`: enum exchange_stream; a frame, or nothing: the message had none */
	EXCHANGE_HEARD,
	EXCHANGE_REPORT, /* struct exchange_report; every few seconds at least */
};

struct exchange_head {
	uint32_t word, value;
};

struct exchange_begin {
	char name[EXCHANGE_STREAMS][80]; /* of the streams */
	char user[64], tls_name[128]; /* empty: none */
	uint32_t stream_length;
	uint32_t servers;
	uint8_t tls, has_ca, has_cert; /* 0 or 1: files that come with each socket */
	uint8_t spare;
};

struct exchange_login {
	struct secret password;
	char why[EXCHANGE_WHY];
};

struct exchange_report {
	uint32_t connected; /* 0 or 1: whether the last round succeeded */
	uint32_t caught_up; /* 0 or 1: everything that was in the store has been read once */
	uint32_t server; /* the one in use, or tried last */
	/* Numbers since the last report. */
	uint32_t failures;
	uint32_t messages; /* messages written */
	uint32_t frames; /* how many of them were of the ledger, in the order in which they came */
	uint64_t round_us; /* duration of the last complete round */
	char why[EXCHANGE_WHY]; /* why it is not connected; printable and terminated */
};

struct exchange_message {
	struct exchange_head head;
	union {
		struct exchange_begin begin;
		struct exchange_login login;
		struct exchange_report report;
		uint8_t frame[FLEET_FRAME_BYTES];
	};
};

#define EXCHANGE_FILES 4 /* descriptors in one message: a socket, CA, certificate, key */

/* Whether the process can have sent this: checks its form, and each field that has bounds. 0 or
 * -EBADMSG. Pure. */
int exchange_check(const struct exchange_message *message, size_t length, uint32_t servers);
/* The whole of that process: argv of main(). Returns an exit status. */
int exchange_process_main(int argc, char **argv);

#endif
