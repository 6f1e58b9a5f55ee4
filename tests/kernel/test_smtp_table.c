/* The table of dialogues (tests/smtp/dialogues.h) by real sockets: what the kernel's probe of
 * socket states sees of each step must be what the proxy's tracker says, or what the table says
 * that it can see. The server is one that works, or sleeps in recv() until more comes, as Postfix
 * does. In a network namespace of its own. Skipped, with the reason, where BPF is refused. */
#include "cmocka_test.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"
#include "kernel/kernel.h"
#include "smtp/dialogues.h"

#define PLAIN_PORT 2525
#define TLS_PORT 4465
#define PATIENCE_US (60 * US_PER_S)

static struct kernel *kernel;
static char why[256];
static int listening[2];

/* The server's process: reads what its client sends, unless it works. */
struct server {
	int fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	size_t read, due; /* octets of the client, so far and up to this step */
	bool works; /* once it has read what is due */
	bool stop;
};

static int listen_on(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static int setup(void **state)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	struct config config;
	int fd;

	if (unshare(CLONE_NEWNET) < 0) {
		snprintf(why, sizeof(why), "no network namespace: %s", strerror(errno));
		return 0;
	}
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ioctl(fd, SIOCSIFFLAGS, &lo);
	close(fd);
	config_defaults(&config);
	memset(config.service[0].ports, 0, sizeof(config.service[0].ports));
	config.service[1] = config.service[0];
	config.services = 2;
	config.service[0].ports[0] = PLAIN_PORT;
	config.service[1].ports[0] = TLS_PORT;
	config.service[1].implicit_tls = true;
	if (kernel_open(&config, &kernel, why) < 0)
		kernel = NULL;
	listening[0] = listen_on(PLAIN_PORT);
	listening[1] = listen_on(TLS_PORT);
	return 0;
}

static int teardown(void **state)
{
	kernel_close(kernel);
	return 0;
}

static void *serve(void *context)
{
	struct server *s = context;
	char octets[4096];
	ssize_t n;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		if (s->works && s->read >= s->due) {
			pthread_cond_wait(&s->wake, &s->lock);
			continue;
		}
		pthread_mutex_unlock(&s->lock);
		n = recv(s->fd, octets, sizeof(octets), 0);
		pthread_mutex_lock(&s->lock);
		if (n <= 0)
			break;
		s->read += (size_t)n;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static struct kernel_smtp now_seen(bool tls)
{
	struct kernel_smtp k;

	kernel_smtp_audit(kernel, clock_monotonic_us());
	assert_int_equal(kernel_smtp_read(kernel, tls, clock_monotonic_us(), &k), 0);
	return k;
}

/* Waits until the probe has seen it, and it stays. */
static void expect_busy(const struct dialogue *d, unsigned step, int busy)
{
	uint64_t until = clock_monotonic_us() + PATIENCE_US;
	int stays = 0;

	while (stays < 5 && clock_monotonic_us() < until) {
		stays = (int)now_seen(d->implicit_tls).busy == busy ? stays + 1 : 0;
		usleep(2000);
	}
	if (stays < 5)
		fail_msg("%s: step %u: busy %.0f, not %d", d->name, step,
			 now_seen(d->implicit_tls).busy, busy);
}

static void expect_jobs(const struct dialogue *d, uint64_t before)
{
	uint64_t until = clock_monotonic_us() + PATIENCE_US;
	struct kernel_smtp k = now_seen(d->implicit_tls);

	while ((k.in_flight > 0 || k.completed - before < (uint64_t)d->jobs) &&
	       clock_monotonic_us() < until) {
		usleep(2000);
		k = now_seen(d->implicit_tls);
	}
	if (k.completed - before != (uint64_t)d->jobs || k.in_flight != 0)
		fail_msg("%s: %llu jobs, not %d; %.0f in flight", d->name,
			 (unsigned long long)(k.completed - before), d->jobs, k.in_flight);
}

static void take_step(struct server *s, int client, const struct step *step)
{
	pthread_mutex_lock(&s->lock);
	if (step->who == 'C')
		s->due += step->length;
	s->works = step->owes;
	pthread_mutex_unlock(&s->lock);
	if (step->who == 'C')
		assert_int_equal(send(client, step->bytes, step->length, 0), step->length);
	else
		assert_int_equal(send(s->fd, step->bytes, step->length, 0), step->length);
	pthread_cond_signal(&s->wake);
}

static void hold(const struct dialogue *d)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(d->implicit_tls ? TLS_PORT : PLAIN_PORT),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct server s = { .lock = PTHREAD_MUTEX_INITIALIZER,
			    .wake = PTHREAD_COND_INITIALIZER,
			    .works = !d->implicit_tls };
	uint64_t jobs = now_seen(d->implicit_tls).completed;
	int client = socket(AF_INET, SOCK_STREAM, 0);
	unsigned n = 0;

	assert_int_equal(connect(client, (struct sockaddr *)&a, sizeof(a)), 0);
	s.fd = accept(listening[d->implicit_tls], NULL, NULL);
	assert_true(s.fd >= 0);
	assert_int_equal(pthread_create(&s.thread, NULL, serve, &s), 0);
	expect_busy(d, 0, !d->implicit_tls);
	for (const struct step *step = d->step; step->who; step++) {
		take_step(&s, client, step);
		expect_busy(d, ++n, step->kernel >= 0 ? step->kernel : step->owes);
	}
	/* The server closes first, and then its client. */
	pthread_mutex_lock(&s.lock);
	s.stop = true;
	pthread_mutex_unlock(&s.lock);
	pthread_cond_signal(&s.wake);
	shutdown(s.fd, SHUT_WR);
	close(client);
	pthread_join(s.thread, NULL);
	close(s.fd);
	expect_jobs(d, jobs);
}

static void the_kernel_sees_what_the_tracker_says(void **state)
{
	struct kernel_smtp k;

	if (!kernel || kernel_smtp_read(kernel, 0, clock_monotonic_us(), &k) < 0) {
		print_message("# the probe: %s\n", why);
		skip();
	}
	for (size_t i = 0; i < sizeof(dialogues) / sizeof(*dialogues); i++)
		hold(&dialogues[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_sees_what_the_tracker_says),
	};

	return cmocka_run_group_tests_name("smtp_table", tests, setup, teardown);
}
