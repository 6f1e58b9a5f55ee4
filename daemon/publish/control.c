#include "publish/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "publish/control_wire.h"
#include "publish/json.h"
#include "publish/teller.h"
#include "refuse/faultlog.h"

/* After so many accepted connections the loop has other work to do first. */
#define TURN_ACCEPTS 32
#define PAUSE_US 10000
#define BACKLOG 1024 /* connections that wait until the loop comes back */
#define DOOR_OCTETS 32768 /* room for some hundred connections in the door */
/* While a process is started again, connections wait for it so long. After that they are
 * refused. */
#define SOON_US (3 * US_PER_S)

/* A process that parses calls, and the way to it. */
struct post {
	struct control_desk desk;
	struct teller *teller;
	/* our end; the process's end, kept for the next process so that what waits there is not
	 * lost */
	int door[2];
};

enum { ADMIN, USERS, POSTS };

static const struct teller_kind kinds[POSTS] = {
	[ADMIN] = { .process = TELLER("penstockd-admin", CONTROL_ARGUMENT,
				      "root and the group on the control socket"),
		    .answers = &control_answers_admin },
	[USERS] = { .process = TELLER("penstockd-users", CONTROL_ARGUMENT,
				      "other users on the control socket"),
		    .answers = &control_answers_users },
};

struct control {
	struct evconnlistener *listener;
	const struct control_ops *ops;
	void *context;
	/* empty: the socket is a socket unit's, which must not be removed */
	char path[CONFIG_PATH_MAX + 16];
	gid_t group;
	bool group_known;
	struct event *resume; /* accepts again after a pause */
	unsigned accepted; /* since the last pause */
	struct post post[POSTS];
	struct faults faults;
	struct faultlog faultlog;
	int level, state, mode; /* what watchers were told last */
};

/* ---- who connects --------------------------------------------------------------------------- */

static bool in_group(int fd, gid_t primary, gid_t group)
{
	gid_t groups[256];
	socklen_t size = sizeof(groups);

	if (primary == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(gid_t); i++)
		if (groups[i] == group)
			return true;
	return false;
}

static bool may_change(const struct control *k, int fd, const struct ucred *peer)
{
	return peer->uid == 0 || peer->uid == geteuid() ||
	       (k->group_known && in_group(fd, peer->gid, k->group));
}

static struct control_caller caller_of(const struct control *k, int fd)
{
	struct ucred peer = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	socklen_t size = sizeof(peer);
	bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;

	return (struct control_caller){ .uid = peer.uid,
					.privileged = known && may_change(k, fd, &peer) };
}

bool control_pass_on(int door, int fd, struct control_caller caller)
{
	return fdpass_send(door, &caller, sizeof(caller), &fd, 1) == 0;
}

void control_turn_away(int fd, enum control_why why)
{
	static const char *const texts[] = {
		[CONTROL_FULL] = "too many connections to the control socket",
		[CONTROL_AWAY] =
			"the process that reads calls for penstockd keeps ending, and is started again within 30 s; mail flows all the same, and the log says why it ended",
	};
	char text[512];
	int length =
		snprintf(text, sizeof(text),
			 "{\"error\":\"io.penstock.Refused\",\"parameters\":{\"reason\":\"%s\"}}",
			 texts[why]);

	send(fd, text, (size_t)length + 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *context)
{
	static const struct timeval pause = { 0, PAUSE_US };
	struct control *k = context;
	struct control_caller caller = caller_of(k, fd);
	const struct post *post = &k->post[caller.privileged ? ADMIN : USERS];
	uint64_t now_us = clock_monotonic_us();

	if (++k->accepted >= TURN_ACCEPTS) {
		evconnlistener_disable(listener);
		event_add(k->resume, &pause);
	}
	if (teller_pause_us(post->teller, now_us) > SOON_US) {
		faultlog_note(&k->faultlog, &k->faults, FAULT_UNTOLD, now_us, NULL);
		control_turn_away(fd, CONTROL_AWAY);
	} else if (control_pass_on(post->door[0], fd, caller)) {
		close(fd);
	} else {
		control_turn_away(fd, CONTROL_FULL);
	}
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
	struct control *k = context;

	k->accepted = 0;
	evconnlistener_enable(k->listener);
}

/* ---- once a tick ---------------------------------------------------------------------------- */

static void tell_change(struct post *post)
{
	json_t *change = json_pack("{s:o}", "change", json_change(control_snapshot(&post->desk)));
	char *dumped = json_dumps(change, JSON_COMPACT | JSON_REAL_PRECISION(6));
	struct evbuffer *text = evbuffer_new();

	if (dumped && text && evbuffer_add(text, dumped, strlen(dumped)) == 0)
		teller_tell(post->teller, CONTROL_CHANGE, text);
	if (text)
		evbuffer_free(text);
	free(dumped);
	json_decref(change);
}

static void publish(struct control *k, const struct engine_view *view)
{
	if (view->level.number == (enum level_number)k->level &&
	    view->state == (enum engine_state)k->state && view->mode == (enum plan_mode)k->mode)
		return;
	k->level = view->level.number;
	k->state = view->state;
	k->mode = view->mode;
	for (int i = 0; i < POSTS; i++)
		tell_change(&k->post[i]);
}

void control_step(struct control *k, const struct engine_view *view, uint64_t now_us)
{
	for (int i = 0; i < POSTS; i++)
		if (teller_step(k->post[i].teller, now_us))
			faultlog_note(&k->faultlog, &k->faults, FAULT_UNTOLD, now_us,
				      kinds[i].process.name);
	publish(k, view);
}

bool control_is_up(const struct control *k)
{
	return teller_is_up(k->post[ADMIN].teller) && teller_is_up(k->post[USERS].teller);
}

uint64_t control_restarts(const struct control *k)
{
	return teller_restarts(k->post[ADMIN].teller) + teller_restarts(k->post[USERS].teller);
}

const struct faults *control_faults(const struct control *k)
{
	return &k->faults;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void find_group(struct control *k, const struct config *config)
{
	char buffer[4096];
	struct group entry, *found = NULL;

	if (!config->control_group[0])
		return;
	if (getgrnam_r(config->control_group, &entry, buffer, sizeof(buffer), &found) == 0 &&
	    found) {
		k->group = entry.gr_gid;
		k->group_known = true;
	} else {
		log_debug(
			"there is no group %s: only root may change anything over the control socket",
			config->control_group);
	}
}

static int listen_on(struct control *k, const struct config *config, char *why)
{
	struct endpoint endpoint;
	char text[CONFIG_PATH_MAX + 32];
	int fd, r;

	/* From a socket unit, if there is one. */
	r = endpoint_parse("systemd:control", &endpoint);
	fd = r < 0 ? r : endpoint_listen(&endpoint, BACKLOG, 0);
	if (fd < 0) {
		snprintf(k->path, sizeof(k->path), "%s/control.sock", config->run_dir);
		snprintf(text, sizeof(text), "unix:%s", k->path);
		r = endpoint_parse(text, &endpoint);
		fd = r < 0 ? r : endpoint_listen(&endpoint, BACKLOG, 0666);
	}
	if (fd < 0) {
		snprintf(why, 160, "cannot listen on %.100s: %s", k->path, strerror(-fd));
		k->path[0] = 0; /* not ours */
	}
	return fd;
}

static int open_post(struct control *k, struct event_base *base, int which)
{
	struct post *post = &k->post[which];
	int octets = DOOR_OCTETS;

	post->desk.privileged = which == ADMIN;
	post->desk.ops = k->ops;
	post->desk.context = k->context;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, post->door) < 0)
		return -errno;
	setsockopt(post->door[0], SOL_SOCKET, SO_SNDBUF, &octets, sizeof(octets));
	return teller_open(base, &kinds[which], &post->desk, &post->door[1], 1,
			   clock_monotonic_us(), &post->teller);
}

static int open_all(struct control *k, struct event_base *base, const struct config *config,
		    char *why)
{
	int fd = listen_on(k, config, why), r = 0;

	if (fd < 0)
		return fd;
	k->listener = evconnlistener_new(base, on_accept, k,
					 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!k->listener) {
		close(fd);
		return -ENOMEM;
	}
	k->resume = evtimer_new(base, on_resume, k);
	if (!k->resume)
		return -ENOMEM;
	for (int i = 0; i < POSTS && r == 0; i++)
		r = open_post(k, base, i);
	if (r < 0)
		snprintf(why, 160, "cannot start the process that %s: %s",
			 kinds[k->post[ADMIN].teller ? USERS : ADMIN].process.does, strerror(-r));
	return r;
}

int control_open(struct event_base *base, const struct config *config,
		 const struct control_ops *ops, void *context, struct control **ret_control,
		 char *why)
{
	struct control *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	k->ops = ops;
	k->context = context;
	k->level = k->state = k->mode = -1;
	for (int i = 0; i < POSTS; i++)
		k->post[i].door[0] = k->post[i].door[1] = -1;
	find_group(k, config);
	r = open_all(k, base, config, why);
	if (r < 0) {
		control_close(k);
		return r;
	}
	*ret_control = k;
	return 0;
}

void control_close(struct control *k)
{
	if (!k)
		return;
	for (int i = 0; i < POSTS; i++) {
		teller_close(k->post[i].teller);
		for (int side = 0; side < 2; side++)
			if (k->post[i].door[side] >= 0)
				close(k->post[i].door[side]);
	}
	if (k->listener)
		evconnlistener_free(k->listener);
	if (k->resume)
		event_free(k->resume);
	if (k->path[0])
		unlink(k->path);
	free(k);
}
