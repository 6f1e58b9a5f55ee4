#include "cmocka_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/array.h"
#include "base/counts_dir.h"
#include "base/endpoint.h"
#include "base/parse.h"
#include "base/readfile.h"
#include "base/text.h"
#include "base/wholefile.h"
#include "unit/scratch.h"

static void durations(void **state)
{
	uint64_t us = 7;

	assert_int_equal(parse_duration_us("250us", &us), 0);
	assert_int_equal(us, 250);
	assert_int_equal(parse_duration_us("1.5s", &us), 0);
	assert_int_equal(us, 1500000);
	assert_int_equal(parse_duration_us("2h", &us), 0);
	assert_int_equal(us, 7200000000u);
	assert_int_equal(parse_duration_us("30", &us), 0);
	assert_int_equal(us, 30000000);
	us = 7;
	assert_true(parse_duration_us("", &us) < 0);
	assert_true(parse_duration_us("-1s", &us) < 0);
	assert_true(parse_duration_us("5 parsecs", &us) < 0);
	assert_true(parse_duration_us("1e30d", &us) < 0);
	assert_true(parse_duration_us("nan", &us) < 0);
	assert_int_equal(us, 7); /* written only on success */
}

static void each_unit_means_what_it_says(void)
{
	static const struct {
		int (*parse)(const char *text, uint64_t *ret);
		const char *text;
		uint64_t value;
	} right[] = {
		{ parse_bytes, "1", 1 },
		{ parse_bytes, "1B", 1 },
		{ parse_bytes, "1K", UINT64_C(1) << 10 },
		{ parse_bytes, "1KiB", UINT64_C(1) << 10 },
		{ parse_bytes, "1M", UINT64_C(1) << 20 },
		{ parse_bytes, "1MiB", UINT64_C(1) << 20 },
		{ parse_bytes, "1G", UINT64_C(1) << 30 },
		{ parse_bytes, "1GiB", UINT64_C(1) << 30 },
		{ parse_bytes, "1T", UINT64_C(1) << 40 },
		{ parse_bytes, "1TiB", UINT64_C(1) << 40 },
		{ parse_bits_per_s, "1", 1 },
		{ parse_bits_per_s, "64k", 64000 },
		{ parse_bits_per_s, "64K", 64000 },
		{ parse_bits_per_s, "100M", 100000000 },
		{ parse_bits_per_s, "1G", 1000000000 },
		{ parse_bits_per_s, "2.5 Gbit/s", UINT64_C(2500000000) },
		{ parse_bits_per_s, "1T", UINT64_C(1000000000000) },
		{ parse_duration_us, "1us", 1 },
		{ parse_duration_us, "1ms", 1000 },
		{ parse_duration_us, "1s", 1000000 },
		{ parse_duration_us, "1", 1000000 },
		{ parse_duration_us, "1m", 60000000 },
		{ parse_duration_us, "1min", 60000000 },
		{ parse_duration_us, "1h", UINT64_C(3600000000) },
		{ parse_duration_us, "1d", UINT64_C(86400000000) },
	};
	uint64_t n;

	for (unsigned i = 0; i < ARRAY_SIZE(right); i++) {
		assert_int_equal(right[i].parse(right[i].text, &n), 0);
		assert_int_equal(n, right[i].value);
	}
	assert_true(parse_bits_per_s("1GiB", &n) < 0);
	assert_true(parse_bits_per_s("1GB", &n) < 0);
	assert_true(parse_bits_per_s("1m", &n) < 0);
	assert_true(parse_bytes("1GB", &n) < 0);
	assert_true(parse_bytes("1g", &n) < 0);
	assert_true(parse_duration_us("1M", &n) < 0);
}

static void bytes_ratios_and_numbers(void **state)
{
	uint64_t n;
	double x;

	assert_int_equal(parse_bytes("64MiB", &n), 0);
	assert_int_equal(n, 64u << 20);
	assert_int_equal(parse_bytes("1.5K", &n), 0);
	assert_int_equal(n, 1536);
	assert_true(parse_bytes("64Mib/s", &n) < 0);
	assert_true(parse_bytes("99999999999TiB", &n) < 0);
	each_unit_means_what_it_says();
	assert_int_equal(parse_ratio("90%", &x), 0);
	assert_near(x, 0.9, 1e-9);
	assert_true(parse_ratio("-3%", &x) < 0);
	assert_int_equal(parse_u64("18446744073709551615", &n), 0);
	assert_int_equal(parse_u64("18446744073709551616", &n), -ERANGE);
	assert_true(parse_u64("12 ", &n) < 0);
	assert_true(parse_u64("+1", &n) < 0);
	assert_true(parse_double("inf", &x) < 0);
}

/* Another program listens there, hangs, and its queue is full. */
static void an_address_of_one_that_hangs(void **state)
{
	char directory[] = "/tmp/penstock-test-XXXXXX", text[64];
	struct endpoint e;
	int fd, client, r = 0;

	assert_non_null(mkdtemp(directory));
	snprintf(text, sizeof(text), "unix:%s/socket", directory);
	assert_int_equal(endpoint_parse(text, &e), 0);
	fd = endpoint_listen(&e, 0, 0600);
	assert_true(fd >= 0);
	for (int i = 0; i < 64 && r == 0; i++) {
		client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		r = connect(client, &e.address.any, e.length);
	}
	assert_true(r < 0 && errno == EAGAIN);
	alarm(120); /* which ends this test where the next call waits */
	assert_int_equal(endpoint_listen(&e, 0, 0600), -EADDRINUSE);
	alarm(0);
	close(fd);
	fd = endpoint_listen(&e, 0, 0600); /* it has ended, and its file is there still */
	assert_true(fd >= 0);
	close(fd);
	unlink(e.address.un.sun_path);
	rmdir(directory);
}

/* The old file stays until the new one is whole. */
static void a_file_is_written_as_a_whole(void **state)
{
	const struct iovec parts[] = { { "one", 3 }, { "two", 3 } };
	char directory[64], content[16] = "";
	struct stat st;
	int fd;

	assert_int_equal(scratch_make(directory), 0);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(wholefile_write(fd, "file", 0644, parts, 2, true), 0);
	assert_int_equal(readfile_at(fd, "file", content, sizeof(content)), 6);
	assert_string_equal(content, "onetwo");
	assert_int_equal(fstatat(fd, "file", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(wholefile_write(fd, "file", 0, parts, 1, false), 0);
	assert_int_equal(readfile_at(fd, "file", content, sizeof(content)), 3);
	/* A directory cannot be replaced; nothing is left behind. */
	assert_int_equal(mkdirat(fd, "taken", 0755), 0);
	assert_true(wholefile_write(fd, "taken", 0, parts, 2, false) < 0);
	assert_int_equal(faccessat(fd, "taken.new", F_OK, 0), -1);
	close(fd);
	assert_int_equal(scratch_remove(directory), 0);
}

static void a_connect_that_ends(void **state)
{
	struct sockaddr_in own = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(own);
	int server = socket(AF_INET, SOCK_STREAM, 0), fd, r;
	struct endpoint e;
	char text[32];

	assert_int_equal(bind(server, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&own, &length), 0);
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(own.sin_port));
	assert_int_equal(endpoint_parse(text, &e), 0);
	for (int listens = 0; listens <= 1; listens++) {
		if (listens)
			assert_int_equal(listen(server, 1), 0);
		fd = endpoint_connect(&e);
		assert_true(fd >= 0);
		do
			r = endpoint_connected(&e, fd);
		while (r == -EINPROGRESS);
		assert_int_equal(r, listens ? 0 : -ECONNREFUSED);
		if (listens) /* it stays connected, however often it is asked */
			assert_int_equal(endpoint_connected(&e, fd), 0);
		close(fd);
	}
	close(server);
}

static void endpoints(void **state)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse("127.0.0.1:25", &e), 0);
	assert_int_equal(e.address.any.sa_family, AF_INET);
	assert_int_equal(endpoint_parse("[::1]:25", &e), 0);
	assert_int_equal(e.address.any.sa_family, AF_INET6);
	assert_int_equal(endpoint_parse("unix:/run/x", &e), 0);
	assert_string_equal(e.address.un.sun_path, "/run/x");
	assert_int_equal(endpoint_parse("systemd:smtp", &e), 0);
	for (const char *const *p =
		     (const char *const[]){ "localhost:25", "127.0.0.1", "127.0.0.1:0", ":25",
					    "127.0.0.1:65536", "unix:", "1.2.3.4.5:25", "[::1:25",
					    "", NULL };
	     *p; p++)
		assert_int_equal(endpoint_parse(*p, &e), -EINVAL);
}

static void text_is_bounded(void **state)
{
	char buffer[8];
	struct text t = TEXT_OF(buffer);

	text_append(&t, "%s", "12345");
	assert_false(t.cut);
	text_append(&t, "%s", "6789");
	assert_true(t.cut);
	assert_string_equal(buffer, "1234567");
	text_append(&t, "more");
	assert_string_equal(buffer, "1234567");
	t = (struct text)TEXT_OF(buffer);
	text_append_clean(&t, "a\n\x80z", 4);
	assert_string_equal(buffer, "a??z");
}

static void fields(void **state)
{
	uint64_t n;
	const char *content = "usage_usec 17\nMemAvailable:   1234 kB\nusage_usec_more 9\n";

	assert_int_equal(readfile_field_u64(content, "usage_usec", &n), 0);
	assert_int_equal(n, 17);
	assert_int_equal(readfile_field_u64(content, "MemAvailable", &n), 0);
	assert_int_equal(n, 1234);
	assert_int_equal(readfile_field_u64(content, "usage", &n), -ENOENT);
}

static void addresses_have_one_form(void **state)
{
	struct in6_addr a, before;
	char text[INET6_ADDRSTRLEN];

	assert_int_equal(address_parse("192.0.2.7", &a), 0);
	assert_true(IN6_IS_ADDR_V4MAPPED(&a));
	assert_string_equal(address_print(&a, text), "192.0.2.7");
	assert_int_equal(address_parse("::ffff:192.0.2.7", &before), 0);
	assert_memory_equal(&a, &before, sizeof(a));
	assert_int_equal(address_parse("2001:db8::1", &a), 0);
	assert_string_equal(address_print(&a, text), "2001:db8::1");
	before = a;
	assert_int_equal(address_parse("192.0.2", &a), -EINVAL);
	assert_int_equal(address_parse("", &a), -EINVAL);
	assert_memory_equal(&a, &before, sizeof(a));
}

static void put_file(const char *directory, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void files_of_counts_have_no_dot_in_their_names(void **state)
{
	char run_dir[64], path[80], link[96];
	const char *name;
	DIR *dir;
	int fd;

	assert_int_equal(scratch_make(run_dir), 0);
	assert_int_equal(counts_dir_make(run_dir, path, sizeof(path)), 0);
	assert_int_equal(counts_dir_make(run_dir, path, sizeof(path)), 0); /* it is there */
	put_file(path, "proxy-1");
	put_file(path, "proxy-1.events");
	put_file(path, "proxy-2.new");
	put_file(path, ".proxy-3");
	dir = opendir(path);
	assert_non_null(dir);
	name = counts_dir_next(dir);
	assert_non_null(name);
	assert_string_equal(name, "proxy-1");
	fd = counts_dir_open(dirfd(dir), name);
	assert_true(fd >= 0);
	close(fd);
	assert_null(counts_dir_next(dir));
	snprintf(link, sizeof(link), "%s/proxy-4", path);
	assert_int_equal(symlink("proxy-1", link), 0);
	assert_int_equal(counts_dir_open(dirfd(dir), "proxy-4"), -ELOOP);
	assert_int_equal(counts_dir_open(dirfd(dir), "proxy-5"), -ENOENT);
	closedir(dir);
	assert_int_equal(counts_dir_path(run_dir, path, strlen(run_dir)), -ENAMETOOLONG);
	assert_string_equal(path, "");
	assert_int_equal(scratch_remove(run_dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(bytes_ratios_and_numbers),
		cmocka_unit_test(endpoints),
		cmocka_unit_test(a_file_is_written_as_a_whole),
		cmocka_unit_test(a_connect_that_ends),
		cmocka_unit_test(an_address_of_one_that_hangs),
		cmocka_unit_test(text_is_bounded),
		cmocka_unit_test(fields),
		cmocka_unit_test(addresses_have_one_form),
		cmocka_unit_test(files_of_counts_have_no_dot_in_their_names),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
