#include "publish/hosts.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_OCTETS 255
#define SEPARATORS ", \t"

static bool is_port(const char *text)
{
	if (!*text)
		return true;
	return *text == ':' && text[1 + strspn(text + 1, "0123456789")] == 0;
}

static bool is_bracketed_v6(const char *host)
{
	const char *end = strchr(host, ']');
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t n = end ? (size_t)(end - host) - 1 : sizeof(text);

	if (n >= sizeof(text) || !is_port(end + 1))
		return false;
	memcpy(text, host + 1, n);
	text[n] = 0;
	return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_localhost(const char *name)
{
	static const char word[] = "localhost";
	size_t n = strlen(name), length = sizeof(word) - 1;

	return n >= length && strcasecmp(name + n - length, word) == 0 &&
	       (n == length || name[n - length - 1] == '.');
}

static bool is_named(const char *name, const char *names)
{
	size_t length = strlen(name);

	for (const char *at = names + strspn(names, SEPARATORS); *at;) {
		size_t n = strcspn(at, SEPARATORS);

		if (n == length && strncasecmp(at, name, n) == 0)
			return true;
		at += n;
		at += strspn(at, SEPARATORS);
	}
	return false;
}

bool hosts_allow(const char *host, const char *names)
{
	char name[NAME_MAX_OCTETS + 1];
	struct in_addr v4;
	size_t n;

	if (!host)
		return true;
	if (*host == '[')
		return is_bracketed_v6(host);
	n = strcspn(host, ":");
	if (n == 0 || n > NAME_MAX_OCTETS || !is_port(host + n))
		return false;
	memcpy(name, host, n);
	name[n] = 0;
	if (inet_pton(AF_INET, name, &v4) == 1)
		return true;
	if (n > 1 && name[n - 1] == '.')
		name[n - 1] = 0;
	return is_localhost(name) || is_named(name, names);
}
