/* Dialogues as they are held, and what the server owes after each step: the one table over which
 * the proxy's tracker (core/smtp_track.h), its reference, and the kernel's probe of socket states
 * (bpf/smtp.bpf.c, by real sockets) are run.
 *
 * The probe sees who sent and whether the server's process sleeps until more comes, but no octets.
 * So where a server has answered a part of what it owes, or speaks while it owes nothing, the probe
 * takes that for the answer; `kernel` says what it must see then. */
#ifndef PENSTOCK_TESTS_SMTP_DIALOGUES_H
#define PENSTOCK_TESTS_SMTP_DIALOGUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct step {
	char who; /* C: the client sends, S: the server */
	const char *bytes;
	size_t length;
	int owes; /* whether the server owes something after it */
	int kernel; /* what the probe sees; -1: the same */
};

struct dialogue {
	const char *name;
	bool implicit_tls;
	int jobs; /* when the server has closed in order */
	struct step step[24];
};

#define C(text, owes) \
	{ \
		'C', text, sizeof(text) - 1, owes, -1 \
	}
#define C_SEEN(text, owes, kernel) \
	{ \
		'C', text, sizeof(text) - 1, owes, kernel \
	}
#define S(text, owes) \
	{ \
		'S', text, sizeof(text) - 1, owes, -1 \
	}
#define S_SEEN(text, owes, kernel) \
	{ \
		'S', text, sizeof(text) - 1, owes, kernel \
	}

#define HELLO \
	"\x16\x03\x01\x00\x08" \
	"ClientHi"
#define HELLO_12 "\x16\x03\x03\x00\x08ServerHi"
#define KEYS \
	"\x16\x03\x03\x00\x04keys\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x04" \
	"done"
#define CIPHER "\x14\x03\x03\x00\x01\x01"
#define DATA(length, text) "\x17\x03\x03\x00" length text
#define ALERT "\x15\x03\x03\x00\x02\x01\x00"

static const struct dialogue dialogues[] = {
	{ .name = "Postfix, command by command",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP Postfix (Debian)\r\n", 0),
		    C("EHLO client.example.net\r\n", 1),
		    S("250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-STARTTLS\r\n250 CHUNKING\r\n",
		      0),
		    C("MAIL FROM:<a@example.net> SIZE=300\r\n", 1), S("250 2.1.0 Ok\r\n", 0),
		    C("RCPT TO:<b@example.org>\r\n", 1), S("250 2.1.5 Ok\r\n", 0), C("DATA\r\n", 1),
		    S("354 End data with <CR><LF>.<CR><LF>\r\n", 0),
		    C("Subject: x\r\n\r\nhello\r\n.\r\n", 1),
		    S("250 2.0.0 Ok: queued as 4BD2C1\r\n", 0), C("QUIT\r\n", 1),
		    S("221 2.0.0 Bye\r\n", 0) } },
	{ .name = "Postfix as a sender: a group, then final dot and QUIT in one segment",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("EHLO client.example.net\r\n", 1),
		    S("250-mx.example.org\r\n250 PIPELINING\r\n", 0),
		    C("MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n", 1),
		    S("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go on\r\n", 0),
		    C("Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n", 1),
		    S("250 2.0.0 Ok: queued\r\n221 2.0.0 Bye\r\n", 0) } },
	{ .name = "a group that is answered piece by piece",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("EHLO client.example.net\r\n", 1),
		    S("250 PIPELINING\r\n", 0),
		    C("MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n",
		      1),
		    S_SEEN("250 Ok\r\n", 1, 0), S_SEEN("250 Ok\r\n250 Ok\r\n35", 1, 0),
		    S("4 go on\r\n", 0), C("hello\r\n", 0), C(".\r\nQUIT\r\n", 1),
		    S_SEEN("250 queued\r\n", 1, 0), S("221 Bye\r\n", 0) } },
	{ .name = "an answer of several lines, cut within a line",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("EHLO client.example.net\r\n", 1),
		    S_SEEN("250-mx.exam", 1, 0), S_SEEN("ple.org\r\n250-PIPELINING\r", 1, 0),
		    S("\n250 8BITMIME\r\n", 0), C("QUIT\r\n", 1), S("221 Bye\r\n", 0) } },
	{ .name = "a message in pieces, with dots, the end cut in every place",
	  .jobs = 2, /* eight turns, and the end */
	  .step = { S("220 mx.example.org ESMTP\r\n", 0),
		    C("HELO c\r\n", 1),
		    S("250 ok\r\n", 0),
		    C("MAIL FROM:<>\r\n", 1),
		    S("250 ok\r\n", 0),
		    C("RCPT TO:<b@example.org>\r\n", 1),
		    S("250 ok\r\n", 0),
		    C("DATA\r\n", 1),
		    S("354 go on\r\n", 0),
		    C("..stuffed\r\n.. \r\n.x\r\n \r\n\r\n.\r", 0),
		    C("x\r\n. \r\n\r\r\n.", 0),
		    C("\r", 0),
		    C("\n", 1),
		    S("250 queued\r\n", 0),
		    C("DATA\r\n", 1),
		    S("354 again\r\n", 0),
		    C(".\r\n", 1),
		    S("250 an empty message\r\n", 0),
		    C("QUIT\r\n", 1),
		    S("221 Bye\r\n", 0) } },
	{ .name = "Exim: a message sent before its 354, which is refused: each of its lines is a command",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP Exim 4.96\r\n", 0), C("EHLO c\r\n", 1),
		    S("250 PIPELINING\r\n", 0),
		    C("MAIL FROM:<a@example.net>\r\nRCPT TO:<x@example.org>\r\nDATA\r\n", 1),
		    C("hello\r\n.\r\n", 1),
		    S_SEEN("250 OK\r\n550 no such user\r\n503 valid RCPT required\r\n", 1, 0),
		    S_SEEN("500 unrecognized command\r\n", 1, 0),
		    S("500 unrecognized command\r\n", 0), C("QUIT\r\n", 1),
		    S("221 mx.example.org closing connection\r\n", 0) } },
	{ .name = "a message sent before its 354, which comes",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("EHLO c\r\n", 1), S("250 ok\r\n", 0),
		    C("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n", 1),
		    S_SEEN("250 ok\r\n250 ok\r\n354 go on\r\n", 1, 0),
		    S_SEEN("250 queued\r\n", 1, 0), S("221 Bye\r\n", 0) } },
	{ .name = "DATA is refused and the client waits",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("EHLO c\r\n", 1), S("250 ok\r\n", 0),
		    C("DATA\r\n", 1), S("503 need RCPT\r\n", 0), C("RSET\r\n", 1),
		    S("250 ok\r\n", 0), C("QUIT\r\n", 1), S("221 Bye\r\n", 0) } },
	{ .name = "CHUNKING: octets count, whatever they are",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("EHLO c\r\n", 1),
		    S("250 CHUNKING\r\n", 0), C("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n", 1),
		    S("250 ok\r\n250 ok\r\n", 0), C("BDAT 12\r\n", 0), C("QUIT\r\nDATA\r", 0),
		    C("\nbdat  10 LAST\r\n01234", 1), S("250 12 octets\r\n", 0), C("56789", 1),
		    S("250 queued\r\n", 0), C("BDAT 100000 LAST\r\n", 0), C("half of it", 0) } },
	{ .name = "CHUNKING in one go, and chunks of nothing",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("EHLO c\r\n", 1),
		    S("250 CHUNKING\r\n", 0),
		    C("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 5 LAST\r\nhelloQUIT\r\n", 1),
		    S_SEEN("250 ok\r\n250 ok\r\n", 1, 0), S("250 queued\r\n221 Bye\r\n", 0) } },
	{ .name = "BDAT that is none, and BDAT 0 LAST",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("EHLO c\r\n", 1),
		    S("250 CHUNKING\r\n", 0), C("BDAT\r\n", 1), S("501 size?\r\n", 0),
		    C("BDAT x1\r\n", 1), S("501 size?\r\n", 0), C("BDAT 1x\r\n", 1),
		    S("501 size?\r\n", 0), C("BDAT 0 LAST\r\n", 1), S("250 ok\r\n", 0),
		    C("QUIT\r\n", 1), S("221 Bye\r\n", 0) } },
	{ .name = "a chunk that is refused before it is complete",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("EHLO c\r\n", 1),
		    S("250 CHUNKING\r\n", 0), C("BDAT 10 LAST\r\n012", 0),
		    S("503 no recipients\r\n", 0), C_SEEN("3456789", 0, 0), C("QUIT\r\n", 1),
		    S("221 Bye\r\n", 0) } },
	{ .name = "half commands and quiet clients owe the server nothing to do",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("\x16", 0),
		    C("\x03\x01\x02\x00\x01\x00", 0), C("EHLO c", 0), C("\r", 0), C("\n", 1),
		    S("500 what?\r\n", 0), C("NOO", 0), S("421 4.4.2 timeout, closing\r\n", 0) } },
	{ .name = "0x16 instead of a command",
	  .jobs = 0,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("\x16", 0) } },
	{ .name = "STARTTLS, TLS 1.2",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("EHLO c\r\n", 1),
		    S("250 STARTTLS\r\n", 0), C("starttls\r\n", 1),
		    S("220 2.0.0 Ready to start TLS\r\n", 0), C("\x16\x03\x01\x00", 0),
		    C("\x08"
		      "Clie",
		      0),
		    C("ntHi", 1), S(HELLO_12, 0), C(KEYS, 1),
		    S(CIPHER "\x16\x03\x03\x00\x04"
			     "done",
		      0),
		    C(DATA("\x04", "EHLO"), 1), S(DATA("\x03", "250"), 0),
		    C(DATA("\x08", "half"), 0), C("done", 1), S(DATA("\x03", "221"), 0),
		    C_SEEN(ALERT, 0, 0) } },
	{ .name = "STARTTLS, TLS 1.3: the client's Finished asks for nothing",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("EHLO c\r\n", 1),
		    S("250 STARTTLS\r\n", 0), C("STARTTLS\r\n", 1), S("220 go ahead\r\n", 0),
		    C(HELLO, 1), S(HELLO_12 CIPHER DATA("\x04", "cert"), 0),
		    C(CIPHER DATA("\x04", "fini"), 0), C(DATA("\x04", "EHLO"), 1),
		    S(DATA("\x03", "250"), 0), C(DATA("\x04", "QUIT"), 1),
		    S(DATA("\x03", "221"), 0) } },
	{ .name = "STARTTLS that is refused",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("STARTTLS\r\n", 1),
		    S("454 TLS not available\r\n", 0), C(HELLO, 0), C("\r\n", 1),
		    S("500 what?\r\n", 0), C("QUIT\r\n", 1), S("221 Bye\r\n", 0) } },
	{ .name = "TLS from the first octet (port 465): the client speaks first",
	  .implicit_tls = true,
	  .jobs = 1,
	  .step = { C(HELLO, 1), S(HELLO_12 CIPHER DATA("\x04", "cert"), 0),
		    C(CIPHER DATA("\x04", "fini"), 0), S(DATA("\x03", "220"), 0),
		    C(DATA("\x04", "EHLO"), 1), S(DATA("\x03", "250"), 0) } },
	{ .name = "AUTH: what a client says to 334 is no command",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("EHLO c\r\n", 1),
		    S("250 AUTH PLAIN LOGIN\r\n", 0), C("AUTH LOGIN\r\n", 1),
		    S("334 VXNlcm5hbWU6\r\n", 0), C("DATA\r\n", 1), S("334 UGFzc3dvcmQ6\r\n", 0),
		    C("BDAT 100\r\n", 1), S("235 2.7.0 ok\r\n", 0), C("AUTH PLAIN AGEAYg==\r\n", 1),
		    S("503 already\r\n", 0), C("QUIT\r\n", 1), S("221 Bye\r\n", 0) } },
	{ .name = "a server that speaks first: 421 after a time-out",
	  .jobs = 0,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), S("421 4.4.2 timeout\r\n", 0) } },
	{ .name = "a message ended by bare LF, which this server takes",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("HELO c\n", 1), S("250 ok\r\n", 0),
		    C("DATA\n", 1), S("354 go on\r\n", 0), C("hello\n.\n", 0),
		    S("250 queued\r\n", 0), C("QUIT\n", 1), S("221 Bye\r\n", 0) } },
	{ .name = "a message with a lone dot between bare LFs, which this server does not take for its end",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("HELO c\r\n", 1), S("250 ok\r\n", 0),
		    C("DATA\r\n", 1), S("354 go on\r\n", 0), C("hello\n.\n", 0),
		    C("MAIL FROM:<a@b>\r\n.\n\n.\r\n", 0), C("\r\n.\r\n", 1),
		    S("250 queued\r\n", 0), C("QUIT\r\n", 1), S("221 Bye\r\n", 0) } },
	{ .name = "a reused connection",
	  .jobs = 2,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("NOOP\r\n", 1), S("250 ok\r\n", 0),
		    C("NOOP\r\n", 1), S("250 ok\r\n", 0), C("NOOP\r\n", 1), S("250 ok\r\n", 0),
		    C("NOOP\r\n", 1), S("250 ok\r\n", 0), C("NOOP\r\n", 1), S("250 ok\r\n", 0),
		    C("NOOP\r\n", 1), S("250 ok\r\n", 0), C("NOOP\r\n", 1), S("250 ok\r\n", 0),
		    C("NOOP\r\n", 1), S("250 ok\r\n", 0) } },
	{ .name = "a scan: greeted, nothing said",
	  .jobs = 0,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0) } },
};

/* Those in which the client does not wait for its turn: what the kernel sees of them depends on how
 * segments meet. */
static const struct dialogue early_dialogues[] = {
	{ .name = "an early talker",
	  .jobs = 1,
	  .step = { C("EHLO c\r\n", 1), S("220 mx.example.org ESMTP\r\n", 1), S("250 ok\r\n", 0),
		    C("QUIT\r\n", 1), S("221 Bye\r\n", 0) } },
	{ .name = "an early talker that says it all, and a greeting in two halves (postscreen)",
	  .jobs = 1,
	  .step = { S("220-mx.example.org ESMTP\r\n", 0), C("EHLO c\r\nMAIL FROM:<a@b>\r\n", 1),
		    S("220 mx.example.org\r\n", 1), S("250-ok\r\n250 PIPELINING\r\n", 1),
		    S("250 ok\r\n", 0) } },
	{ .name = "a server that refuses everybody",
	  .jobs = 0,
	  .step = { S("554 5.7.1 no\r\n", 0), C("QUIT\r\n", 1), S("221 Bye\r\n", 0) } },
	{ .name = "nothing more is owed once the server has said that it closes",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0),
		    C("GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n", 1),
		    S("221 2.7.0 I can break rules, too. Goodbye.\r\n", 0), C("DATA\r\n", 0) } },
	{ .name = "octets thrown away behind STARTTLS (CVE-2011-0411)",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("STARTTLS\r\nRSET\r\nMAIL", 1),
		    S("220 go ahead\r\n", 0), C(HELLO, 1), S(HELLO_12, 0) } },
	{ .name = "lines behind AUTH that did not wait",
	  .jobs = 1,
	  .step = { S("220 mx.example.org ESMTP\r\n", 0), C("AUTH LOGIN\r\nDATA\r\nBDAT 10\r\n", 1),
		    S("334 VXNlcm5hbWU6\r\n", 1), S("334 UGFzc3dvcmQ6\r\n", 1), S("235 ok\r\n", 0),
		    C("QUIT\r\n", 1), S("221 Bye\r\n", 0) } },
};

#undef C
#undef C_SEEN
#undef S
#undef S_SEEN
#undef HELLO
#undef HELLO_12
#undef KEYS
#undef CIPHER
#undef DATA
#undef ALERT

#endif
