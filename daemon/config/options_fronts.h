/* The rows of [front.*] in the table of options: options.c includes them there, and has the
 * macros. */
/* clang-format off */
	CONFIG("front.policy", "enabled", BOOL, policy.enabled, 0, 0, NULL, "no",
		"whether penstockd answers Postfix's policy questions (smtpd_client_restrictions). "
		"See snippets/postfix/policy.md. Example: yes, together with listen"),
	CONFIG("front.policy", "service", TEXT, policy.service, 0, 0, NULL, "mx",
		"service whose load decides. Change it if this front guards another service. "
		"Example: submission"),
	CONFIG("front.policy", "listen", ENDPOINTS, policy.listen, 0, 0, NULL, NULL,
		"addresses on which Postfix asks: unix:PATH, ADDRESS:PORT or systemd:NAME. Needed "
		"with enabled. Example: unix:/var/spool/postfix/penstock/policy"),
	CONFIG("front.policy", "connections_max", U32, policy.connections_max, 1, 1000000, NULL,
		"20000",
		"connections of smtpd processes that are served at once; if one is not served, "
		"Postfix admits the mail. Raise it if more smtpd processes may run. Example: "
		"50000"),
	CONFIG("front.policy", "idle", DURATION, policy.idle_us, 1 * SECONDS, 7200 * SECONDS, NULL,
		"330s",
		"a connection without a question for so long is closed; Postfix opens a new one "
		"when it needs it. Raise it if the log of Postfix shows connections that were "
		"closed between two questions. Example: 10min"),
	CONFIG("front.policy", "socket_mode", MODE_BITS, policy.socket_mode, 0, 0, NULL, "0660",
		"permissions of a UNIX listen socket, in octal. Every user who may connect can ask "
		"about any address. Example: 0666, when Postfix is in no common group"),
	CONFIG("front.proxy", "enabled", BOOL, proxy.enabled, 0, 0, NULL, "no",
		"whether penstock-proxy serves. It is a process of its own that passes SMTP on to "
		"the mail server; it alone can let clients wait for a place, and so carries short "
		"peaks of which the gate refuses a part. Example: yes, together with listen, "
		"backend and proxy_protocol"),
	CONFIG("front.proxy", "service", TEXT, proxy.service, 0, 0, NULL, "mx",
		"service whose load decides. Change it if this front guards another service. "
		"Example: submission"),
	CONFIG("front.proxy", "listen", ENDPOINTS, proxy.listen, 0, 0, NULL, NULL,
		"addresses on which clients connect: ADDRESS:PORT, unix:PATH or systemd:NAME, or "
		"several. [::]:25 alone serves IPv6 only. Needed with enabled. Example: "
		"0.0.0.0:25, [::]:25"),
	CONFIG("front.proxy", "backend", ENDPOINT, proxy.backend, 0, 0, NULL, NULL,
		"address on which the mail server listens. Needed with enabled. Example: "
		"127.0.0.1:2525"),
	CONFIG("front.proxy", "proxy_protocol", CHOICE, proxy.proxy_protocol, 0, 0,
		"unsaid none v1 v2", "unsaid",
		"PROXY header that tells the mail server the client's address; the proxy does not "
		"start without this option. v1: Postfix, Exim, Haraka. v2: OpenSMTPD. none: see "
		"client_addresses_hidden. Set it to what the mail server can read. Example: v1"),
	CONFIG("front.proxy", "client_addresses_hidden", BOOL, proxy.client_addresses_hidden, 0, 0,
		NULL, "no",
		"yes allows proxy_protocol = none. The mail server then takes every client for "
		"this host. First take this host out of the networks that it relays for, or it is "
		"an open relay. Example: yes, for a server that relays for no address of this "
		"host"),
	CONFIG("front.proxy", "accept_proxy_protocol", BOOL, proxy.accept_proxy_protocol, 0, 0,
		NULL, "no",
		"whether clients come through load balancers that send a PROXY header. Those are "
		"named in proxy_from. Example: yes, behind HAProxy with send-proxy"),
	CONFIG("front.proxy", "proxy_from", NETWORKS, proxy.proxy_from, 0, 0, NULL, NULL,
		"networks of the load balancers whose PROXY headers are believed; other "
		"connections are closed. ::/128 stands for the peers of a UNIX socket, which have "
		"no address. Needed with accept_proxy_protocol. Example: 192.0.2.10/31"),
	CONFIG("front.proxy", "loopback", BOOL, proxy.loopback, 0, 0, NULL, "no",
		"whether connections from this host itself (loopback) are decided on too. no: they "
		"pass, so that a health check on this host sees the mail server and not the load. "
		"Example: yes, when clients come through a tunnel that ends on this host"),
	CONFIG("front.proxy", "connections_max", U32, proxy.connections_max, 1, 1000000, NULL,
		"20000",
		"sessions that the proxy serves at once, with a plan or without; the other "
		"clients are deferred. Each takes two file descriptors. Raise it if more clients "
		"than that are served or wait at once. Example: 50000, with LimitNOFILE= raised "
		"as far"),
	CONFIG("front.proxy", "linger_max", U32, proxy.linger_max, 0, 1000000, NULL, "2000",
		"deferred clients that the proxy talks to at once; the other ones get 421 and are "
		"closed. Raise it if senders that need the whole dialogue are told 421, and "
		"descriptors are left. Example: 5000"),
	CONFIG("front.proxy", "linger", DURATION, proxy.linger_us, 0.1 * SECONDS, 300 * SECONDS,
		NULL, "20s", NULL),
	CONFIG("front.proxy", "idle", DURATION, proxy.idle_us, 1 * SECONDS, 7200 * SECONDS, NULL,
		"330s",
		"a session in which the client says nothing for so long is closed; RFC 5321 "
		"(4.5.3.2.7) asks for 5 minutes at least. Answers of the mail server are waited "
		"for 15 minutes at least (4.5.3.2.6). Raise it if slow clients are cut off; lower "
		"it only for testing. Example: 10min"),
	CONFIG("front.proxy", "connect", DURATION, proxy.connect_us, 0.05 * SECONDS, 120 * SECONDS,
		NULL, "10s", NULL),
	CONFIG("front.gate", "enabled", BOOL, gate.enabled, 0, 0, NULL, "no",
		"whether the kernel defers connections before the mail server sees them, with a "
		"BPF program. The mail server needs no change; penstockctl check says whether this "
		"kernel can do it. Example: yes"),
	CONFIG("front.gate", "service", TEXT, gate.service, 0, 0, NULL, "mx",
		"service that the gate guards, on the ports of that service. Change it if the "
		"gate guards another service. Example: inbound, with the ports in "
		"[service.inbound]"),
	CONFIG("front.gate", "netns", TEXT, gate.netns, 0, 0, NULL, NULL,
		"network namespace of the mail server: a path such as /proc/PID/ns/net, or a name "
		"under /run/netns. Unset: that of penstockd. Set it for a mail server in a "
		"container. Example: mail"),
	CONFIG("front.gate", "loopback", BOOL, gate.loopback, 0, 0, NULL, "no",
		"whether connections from this host itself (loopback) are decided on too. no: they "
		"pass. Example: yes, when clients come through a tunnel that ends on this host"),
	CONFIG("front.gate", "repeat", CHOICE, gate.repeat, 0, 0, "dialogue reset", "dialogue",
		"what a client gets if it comes again in the same epoch, after it has received its "
		"451. dialogue: the 451 again. reset: its connection is reset, which costs a "
		"thirtieth; most senders go to the next MX and retry as after a 451, and their "
		"delay notices say \"Connection refused\". Set it when refusals themselves are the "
		"load. With reset, front.policy or front.proxy may have the same service: that "
		"front decides, and the gate resets the clients that it refused. Example: reset"),
	CONFIG("front.gate", "answer_down", BOOL, gate.answer_down, 0, 0, NULL, "no",
		"whether clients are answered 451 while the mail server is stopped. no: the kernel "
		"refuses the connection, and senders try the next MX. Example: yes, when this is "
		"the only MX"),
	CONFIG("front.gate", "listen", ENDPOINTS, gate.listen, 0, 0, NULL, NULL,
		"an address on which the responder answers every client 451: a load balancer "
		"sends the clients there that it does not pass on. Unset: none. Set it if a load "
		"balancer stands before this host. Example: 192.0.2.1:2526"),
	CONFIG("front.gate", "linger_max", U32, gate.linger_max, 0, 1000000, NULL, "20000",
		"deferred clients that the responder talks to at once, and an eighth of it while "
		"memory is short; the other ones get 421 and are closed. Raise it if senders that "
		"need the whole dialogue are told 421, and memory is left. Example: 50000"),
	CONFIG("front.gate", "linger", DURATION, gate.linger_us, 0.1 * SECONDS, 300 * SECONDS, NULL,
		"20s", NULL),
	CONFIG("front.gate", "cpu", RATIO, gate.cpu_ratio, 0.01, 1, NULL, "30%",
		"share of one CPU that answering deferred clients may take. Beyond it clients get "
		"421 at once. If that is not enough, connections pass to the mail server. 100%: no "
		"limit. Example: 10%, on a machine with one CPU"),
	CONFIG("front.haproxy", "enabled", BOOL, haproxy.enabled, 0, 0, NULL, "no",
		"whether penstockd answers HAProxy, which asks for each connection by SPOE and "
		"sends those that are to be deferred to the responder. See snippets/haproxy.md. "
		"Example: yes, together with listen and responder"),
	CONFIG("front.haproxy", "service", TEXT, haproxy.service, 0, 0, NULL, "mx",
		"service whose load decides for the clients of this HAProxy. Change it if this "
		"front guards another service. Example: inbound, with the ports in "
		"[service.inbound]"),
	CONFIG("front.haproxy", "listen", ENDPOINTS, haproxy.listen, 0, 0, NULL, NULL,
		"addresses on which HAProxy asks: unix:PATH, ADDRESS:PORT or systemd:NAME. Any "
		"program that can connect can ask about any address. Needed with enabled. Example: "
		"127.0.0.1:9828"),
	CONFIG("front.haproxy", "responder", ENDPOINTS, haproxy.responder, 0, 0, NULL, NULL,
		"addresses on which every SMTP client is answered 451 with the present reason. "
		"HAProxy sends the clients there that it may not pass. Unset: none. Set it if "
		"HAProxy is to answer deferred clients, and not to close them. Example: "
		"127.0.0.1:9829"),
	CONFIG("front.haproxy", "connections_max", U32, haproxy.connections_max, 1, 100000, NULL,
		"1000",
		"SPOE connections that are served at once; the clients of a connection that is "
		"not served pass. Raise it if fault connections is reported. Example: 4000"),
	CONFIG("front.haproxy", "socket_mode", MODE_BITS, haproxy.socket_mode, 0, 0, NULL, "0660",
		"permissions of a UNIX listen socket, in octal. Every user who may connect can ask "
		"about any address. Example: 0666, when HAProxy is in no common group"),
	CONFIG("front.nginx", "enabled", BOOL, nginx.enabled, 0, 0, NULL, "no",
		"whether penstockd answers nginx' mail proxy, which asks by auth_http once a "
		"client has named its recipient. See snippets/nginx.md. Example: yes, together "
		"with listen and backend"),
	CONFIG("front.nginx", "service", TEXT, nginx.service, 0, 0, NULL, "mx",
		"service whose load decides for the clients of this nginx. Change it if this "
		"front guards another service. Example: inbound, with the ports in "
		"[service.inbound]"),
	CONFIG("front.nginx", "listen", ENDPOINTS, nginx.listen, 0, 0, NULL, NULL,
		"addresses on which nginx asks: unix:PATH, ADDRESS:PORT or systemd:NAME. Any "
		"program that can connect can ask about any address. Needed with enabled. Example: "
		"127.0.0.1:9831"),
	CONFIG("front.nginx", "backend", ENDPOINT, nginx.backend, 0, 0, NULL, NULL,
		"address of the mail server to which nginx is to pass admitted clients. Needed "
		"with enabled. Example: 127.0.0.1:2525"),
	CONFIG("front.nginx", "connections_max", U32, nginx.connections_max, 1, 1000000, NULL,
		"5000",
		"questions that are served at once; the clients of a question that is not served "
		"pass. Raise it if fault connections is reported. Example: 20000"),
	CONFIG("front.nginx", "socket_mode", MODE_BITS, nginx.socket_mode, 0, 0, NULL, "0660",
		"permissions of a UNIX listen socket, in octal. Every user who may connect can ask "
		"about any address. Example: 0666, when nginx is in no common group"),
	CONFIG("front.line", "enabled", BOOL, line.enabled, 0, 0, NULL, "no",
		"whether penstockd answers the plain line protocol: connect ADDRESS, then 220 or "
		"451 4.3.2 and a sentence. Exim uses it, and any server that can run a few lines "
		"of script at connect. See snippets/exim/line.md and snippets/line.md. Example: "
		"yes, together with listen"),
	CONFIG("front.line", "service", TEXT, line.service, 0, 0, NULL, "mx",
		"service whose load decides. Change it if this front guards another service. "
		"Example: submission"),
	CONFIG("front.line", "listen", ENDPOINTS, line.listen, 0, 0, NULL, NULL,
		"addresses on which the server asks: unix:PATH, ADDRESS:PORT or systemd:NAME. Any "
		"program that can connect can ask about any address. Needed with enabled. Example: "
		"systemd:line"),
	CONFIG("front.line", "connections_max", U32, line.connections_max, 1, 100000, NULL, "1000",
		"connections of the server that are served at once; it admits the clients of a "
		"connection that is not served. Raise it if fault connections is reported. "
		"Example: 4000"),
	CONFIG("front.line", "idle", DURATION, line.idle_us, 1 * SECONDS, 7200 * SECONDS, NULL,
		"330s",
		"a connection on which nothing was asked for so long is closed. Raise it if the "
		"server keeps a connection for longer between two questions. Example: 10min"),
	CONFIG("front.line", "socket_mode", MODE_BITS, line.socket_mode, 0, 0, NULL, "0660",
		"permissions of a UNIX listen socket, in octal. Every user who may connect can ask "
		"about any address. Example: 0666, when the server is in no common group"),
	CONFIG("front.milter", "enabled", BOOL, milter.enabled, 0, 0, NULL, "no",
		"whether penstockd is a milter: Postfix (smtpd_milters) or Sendmail "
		"(INPUT_MAIL_FILTER) asks it at connect, and a deferred client reads its 451 at "
		"MAIL. See snippets/postfix/milter.md and snippets/sendmail/milter.md. Example: "
		"yes, together with listen"),
	CONFIG("front.milter", "service", TEXT, milter.service, 0, 0, NULL, "mx",
		"service whose load decides. With its reply_code = 421 the mail server sends its "
		"own 421 text at connect, and hangs up. Change it if this front guards another "
		"service. Example: inbound, with the ports in [service.inbound]"),
	CONFIG("front.milter", "listen", ENDPOINTS, milter.listen, 0, 0, NULL, NULL,
		"addresses on which the mail server asks: unix:PATH, ADDRESS:PORT or systemd:NAME. "
		"Any program that can connect can ask about any address. Needed with enabled. "
		"Example: systemd:milter"),
	CONFIG("front.milter", "loopback", BOOL, milter.loopback, 0, 0, NULL, "no",
		"whether clients of this host itself (loopback, and programs that submit mail "
		"without a network) are decided on, too. no: they pass. Example: yes, when clients "
		"come through a tunnel that ends on this host"),
	CONFIG("front.milter", "connections_max", U32, milter.connections_max, 1, 1000000, NULL,
		"20000",
		"SMTP sessions about which the mail server asks at once; it admits the client of "
		"a session that is not served. Postfix keeps a connection only for a client that "
		"is deferred, Sendmail for each session. Raise it if more clients may be "
		"connected at once. Example: 50000"),
	CONFIG("front.milter", "idle", DURATION, milter.idle_us, 1 * SECONDS, 7200 * SECONDS, NULL,
		"10min",
		"a connection that has been silent for so long is closed, and its client is "
		"admitted. While a client is deferred, its connection is silent until the client "
		"sends MAIL. Raise it above the time that the mail server gives a client to send "
		"MAIL. Example: 30min"),
	CONFIG("front.milter", "socket_mode", MODE_BITS, milter.socket_mode, 0, 0, NULL, "0660",
		"permissions of a UNIX listen socket, in octal. Every user who may connect can ask "
		"about any address. Example: 0666, when the mail server is in no common group"),
	CONFIG("front.agent", "service", TEXT, agent.service, 0, 0, NULL, "mx",
		"service whose window penstock-agent tells HAProxy. Change it if HAProxy passes "
		"clients to another service. Example: inbound, with the ports in "
		"[service.inbound]"),
	CONFIG("front.agent", "listen", ENDPOINTS, agent.listen, 0, 0, NULL, "127.0.0.1:9827",
		"addresses on which HAProxy's agent-check asks penstock-agent. Any program that "
		"can connect learns the load of this host, and nothing else. Set it if HAProxy "
		"runs on another host. Example: 192.0.2.11:9827"),
	CONFIG("front.agent", "balancers", U32, agent.balancers, 1, 1000, NULL, "1",
		"HAProxy processes that share this host: each is told its part of the window. "
		"Example: 2, for a pair that is active on both sides"),
	CONFIG("front.agent", "connections_max", U32, agent.connections_max, 0, 1000000, NULL, "0",
		"connections to this host that all of them together may have, with penstockd or "
		"without; 0: no such limit. Set here what maxconn on the server line would be: the "
		"agent's value replaces that one for good. Example: 400"),
