/* What senders' tools make of a reply. A reply that matches one of their patterns slows down or
 * suspends all mail from that sender to this host, often for hours, although one connection met an
 * overload of seconds. So no text for a sender that did nothing wrong may match. Each group names
 * where its patterns are published. */
#include <regex.h>
#include <stdbool.h>
#include <string.h>

#include "cmocka_test.h"

#include "base/array.h"
#include "core/reply.h"

static const char *const patterns[] = {
	/* KumoMTA, assets/policy-extras/shaping.toml as shipped: one message a minute, one
	 * connection, for 90 minutes; Yahoo's: two hours without any.
	 * https://github.com/KumoCorp/kumomta/blob/main/assets/policy-extras/shaping.toml */
	"Messages from [0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+ temporarily deferred",
	"All messages from .* will be permanently deferred",
	"has been temporarily rate limited due to IP reputation",
	"Unfortunately, messages from .* weren.t sent",
	"Server busy\\. Please try again later from",
	"\\[TS?S04\\]",
	"RL0000",
	/* KumoMTA, assets/community/shaping.toml as shipped: suspended for 15 minutes to two hours,
	 * or one connection for an hour.
	 * https://github.com/KumoCorp/kumomta/blob/main/assets/community/shaping.toml */
	"Server busy. Please try again later",
	"Access denied, please try again later",
	"Temporary server error",
	"Service unavailable - try again later",
	"Internal resource temporarily unavailable",
	"Timeout waiting for command",
	"Too many (connections|messages for this session)",
	"Max message per connection reached, closing transmission channel",
	"The mail server.*has (been temporarily rate limited|exceeded)",
	"Our system has detected",
	"Your mail from .* was deferred",
	"Trop de connexions|Service refuse",
	/* PowerMTA, <smtp-pattern-list> as passed on in recipes for years; the pattern matches
	 * anywhere, mode=backoff slows the whole queue.
	 * https://blog.csdn.net/csdn515/article/details/77112232 and the list blocking-errors in
	 * public set-up scripts. */
	"421 .* SERVICE NOT AVAILABLE",
	"421 .* Please try again later",
	"421 Message temporarily deferred",
	"exceeded the rate limit",
	"exceeded the connection limit",
	"421 Message Rejected",
	"Client host rejected",
	"Mail Refused",
	"Exceeded allowable connection time",
	"Too many concurrent connections from source IP",
	"too many",
	"Connection rate limit exceeded",
	"refused your connection",
	"try again later",
	"try later",
	"connection refused",
	"Message Rejected",
	"refused by antispam",
	"Service not available",
	"currently blocked",
	"locally blacklisted",
	"not currently accepting mail from your ip",
	"421.*closing connection",
	"421.*Lost connection",
	"421 Connection cannot be established",
	"421 temporary envelope failure",
	"Timeout while waiting for command",
	"Requested action aborted",
	"permanently deferred",
	"[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+ blocked",
	"451 Rejected",
	/* PowerMTA, custom lists: retry-after of 20 to 60 minutes.
	 * https://datarecoverypanama.com/powermta/powermta-bounce-patterns-custom-isp-patterns.html */
	"greylisted",
	"please retry",
	/* PowerMTA, <bounce-category-patterns> of the same recipes: counted against the address or
	 * the content, and suppressed. */
	"spam|junk mail|blacklist|blocked|unsolicited",
	"quota|limit exceeded|\\bstorage\\b",
	"denied|prohibit|refused|allowed|banned|policy|suspicious activity",
	"Service unavailable",
	"bad sequence|syntax error",
	"unroutable|unrouteable|\\broute\\b",
	"(user|mailbox|recipient|address|account) .*(invalid|unknown|disabled|expired|inactive|unavailable)",
	"no longer (valid|available)",
	/* Halon, halon-extras/backoff: the example of its README. */
	"421 4\\.3\\.2 No system resources",
	/* Sisimai, reasons that bounce handlers store with the address (RateLimited, which was
	 * TooManyConn; Blocked, Suspend).
	 * https://github.com/sisimai/p5-sisimai/tree/stable/lib/Sisimai/Reason */
	"All available IPs are at maximum connection limit",
	"connection rate limit",
	"exceeds per-domain connection limit",
	"throttling failure",
	"connection .*limit",
	"please try again slower",
	"receiving mail at a rate that prevents",
	"has exceeded the max",
};

static bool matches(const char *pattern, const char *line)
{
	regex_t regex;
	bool found;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB), 0);
	found = regexec(&regex, line, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

/* It sends more than its share, or the operator defers it: it may well slow down. */
static bool means_the_sender(enum reason reason)
{
	return reason == REASON_RATE || reason == REASON_SESSIONS || reason == REASON_REFUSED;
}

static void an_innocent_sender_hears_nothing_at_which_its_tools_throttle(void **state)
{
	static const unsigned codes[] = { 451, 421 };
	/* With what an operator may add. */
	static const struct reply_style styles[] = {
		{ .hostname = "mx1.example.org" },
		{ .hostname = "mx1.example.org",
		  .help_url = "https://mx.example.org/busy",
		  .reason_id = true },
	};
	char line[REPLY_MAX + 1];

	for (int r = 0; r < REASON__COUNT; r++) {
		if (means_the_sender((enum reason)r))
			continue;
		for (unsigned c = 0; c < 8; c++) {
			/* With a time of its end and without. */
			reply_line(line, sizeof(line), codes[c % 2], &styles[c / 4], (enum reason)r,
				   c % 4 < 2 ? 0 : 1700000000000000);
			for (unsigned i = 0; i < ARRAY_SIZE(patterns); i++)
				if (matches(patterns[i], line))
					fail_msg("\"%.*s\" matches /%s/", (int)strcspn(line, "\r"),
						 line, patterns[i]);
		}
	}
}

static void the_list_knows_what_must_not_be_said(void **state)
{
	const char *wrong = "421 4.3.2 mx overloaded, try again later\r\n";
	unsigned found = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(patterns); i++)
		found += matches(patterns[i], wrong);
	assert_true(found > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_innocent_sender_hears_nothing_at_which_its_tools_throttle),
		cmocka_unit_test(the_list_knows_what_must_not_be_said),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
