/* The PROXY header at the beginning of a connection, if one is expected. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/clock.h"
#include "proxy/session_parts.h"

void header_fault(struct session *s, enum fault fault)
{
	char peer[INET6_ADDRSTRLEN];

	tally_fault(s->tally, fault, clock_monotonic_us(),
		    address_print(&s->addresses.source, peer));
}

/* Reads on into `up`. 1: a whole header, `ret_length` octets long; 0: more must come, before the
 * deadline; -1: this is no header. */
static int collect(struct session *s, struct proxy_addresses *ret_told, size_t *ret_length)
{
	struct flow *up = &s->up;
	size_t room = up->length ? proxy_protocol_length((uint8_t *)up->pending, up->length)
				 : PROXY_PROTOCOL_MAX;
	ssize_t n;
	int r;

	room = room > PROXY_PROTOCOL_MAX ? room : PROXY_PROTOCOL_MAX;
	if (!up->pending || room > PROXY_PROTOCOL_MAX) {
		char *larger = realloc(up->pending, room);

		if (!larger)
			return -1;
		up->pending = larger;
	}
	n = recv(s->client_fd, up->pending + up->length, room - up->length, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -1;
	up->length += (size_t)n;
	r = proxy_protocol_decode((const uint8_t *)up->pending, up->length, ret_told);
	if (r < 0) {
		s->tally->counts.counts->malformed++;
		header_fault(s, FAULT_HEADER_MALFORMED);
		return -1;
	}
	*ret_length = (size_t)r;
	return r > 0;
}

/* The header is collected in `up`. Bytes that follow it come from the client, and go to the backend
 * after our own header. */
enum next header_read(struct session *s)
{
	struct proxy_addresses told = { 0 };
	size_t length = 0;
	int r = collect(s, &told, &length);

	if (r <= 0)
		return r < 0 ? NEXT_BREAK : NEXT_STAY;
	s->up.offset = length;
	s->up.length -= length;
	if (told.known)
		s->addresses = told;
	s->destination_told = told.known;
	event_del(s->client_read);
	s->moved_us = clock_monotonic_us();
	return NEXT_DECIDE;
}
