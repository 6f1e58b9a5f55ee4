/* Every metric of /metrics in one table. The renderer takes name, type, unit and help from it,
 * penstock-metrics(7) is made from it (packaging/man/make-metrics-man), and tests compare alert
 * rules and dashboards with it.
 *
 * X(id, kind, name, unit, labels, replaced by, help). The unit is the end of the name, without
 * _total; empty: a number of the things that the name says. Labels: for people, in the order in
 * which they are written. "Replaced by" names the metric to use instead of one that the next
 * release removes; empty: the metric stays. A counter ends in _total, an info in _info. */
#ifndef PENSTOCK_PUBLISH_METRIC_TABLE_H
#define PENSTOCK_PUBLISH_METRIC_TABLE_H

/* clang-format off */
#define METRIC_TABLE(X) \
	X(LEVEL, GAUGE, "penstock_level", "", "", "", \
	  "0 normal, 1 elevated, 2 shedding, 3 severe, 4 critical.") \
	X(STATE, STATESET, "penstock_state", "", "state", "", \
	  "What penstock is doing: the state that is in force is 1.") \
	X(MODE, STATESET, "penstock_mode", "", "mode", "", \
	  "Whether verdicts are enforced: the mode that is in force is 1.") \
	X(MAINTENANCE_BEGIN, GAUGE, "penstock_maintenance_begin_timestamp_seconds", "seconds", "", \
	  "", \
	  "When the planned maintenance that is in force began, else when the next one begins. " \
	  "Absent: none is planned.") \
	X(MAINTENANCE_END, GAUGE, "penstock_maintenance_end_timestamp_seconds", "seconds", "", "", \
	  "When that maintenance ends.") \
	X(LEVEL_CHANGES, COUNTER, "penstock_level_changes_total", "", "level", "", \
	  "Entries into each level.") \
	X(PRESSURE, GAUGE, "penstock_pressure_ratio", "ratio", "resource", "", \
	  "Largest signal of a resource, divided by its target; 1: the objective is just met. " \
	  "resource=all is the largest of them.") \
	X(SIGNAL_SECONDS, GAUGE, "penstock_signal_seconds", "seconds", "resource, signal", "", \
	  "Signals that are times. Absent: not known.") \
	X(SIGNAL_RATIO, GAUGE, "penstock_signal_ratio", "ratio", "resource, signal", "", \
	  "Signals that are shares of a whole, 0 to 1. Absent: not known.") \
	X(SIGNAL_BYTES, GAUGE, "penstock_signal_bytes", "bytes", "resource, signal", "", \
	  "Signals that are amounts of memory or space. Absent: not known.") \
	X(SIGNAL_BYTES_PER_SECOND, GAUGE, "penstock_signal_bytes_per_second", "bytes_per_second", \
	  "resource, signal", "", \
	  "Signals that are flows of bytes. Absent: not known.") \
	X(SIGNAL_PER_SECOND, GAUGE, "penstock_signal_events_per_second", "events_per_second", \
	  "resource, signal", "", \
	  "Signals that are events a second. Absent: not known.") \
	X(SIGNAL_CORES, GAUGE, "penstock_signal_cores", "cores", "resource, signal", "", \
	  "Signals that are numbers of CPU cores. Absent: not known.") \
	X(SIGNAL_ITEMS, GAUGE, "penstock_signal_items", "items", "resource, signal", "", \
	  "Signals that are numbers of things: messages, tasks, connections. Absent: not known.") \
	X(SIGNAL_PRESSURE, GAUGE, "penstock_signal_pressure_ratio", "ratio", "resource, signal", \
	  "", \
	  "A signal divided by its target. The largest one of a resource is its pressure. " \
	  "Signals without a target are left out.") \
	X(SIGNAL, GAUGE, "penstock_signal", "", "resource, signal", \
	  "penstock_signal_seconds, _ratio, _bytes and so on", \
	  "Every signal that is known now: seconds, bytes, bits, ratios and numbers in one " \
	  "metric.") \
	X(NEIGHBOUR_SHARE, GAUGE, "penstock_neighbour_share_ratio", "ratio", "resource", "", \
	  "Share that the largest other control group has of a resource, of what the mail server " \
	  "does not use.") \
	X(FOREIGN, GAUGE, "penstock_foreign_pressure", "", "", "", \
	  "1 while pressure is a neighbour's and refusing mail would not lower it.") \
	X(SERVICE_INFO, INFO, "penstock_service_info", "", "service, shed", "", \
	  "The guarded services, and whether they are shed: yes, last, no.") \
	X(WINDOW, GAUGE, "penstock_window_sessions", "sessions", "service", "", \
	  "SMTP sessions that the machine can carry now. Absent: no limit.") \
	X(WINDOW_MAX, GAUGE, "penstock_window_max_sessions", "sessions", "service", "", \
	  "Hard limit of the window from memory and slots.") \
	X(IN_FLIGHT, GAUGE, "penstock_in_flight_sessions", "sessions", "service", "", \
	  "Admitted sessions that the mail server has not closed.") \
	X(BUSY, GAUGE, "penstock_busy_sessions", "sessions", "service", "", \
	  "Sessions in which the mail server owes an answer.") \
	X(STUCK, GAUGE, "penstock_stuck_sessions", "sessions", "service", "", \
	  "Sessions in flight that wait for a greeting or an answer while many that came later " \
	  "got theirs, or for an answer for longer than any lately; they count as no load.") \
	X(ADMIT_RATIO, GAUGE, "penstock_admit_ratio", "ratio", "", "", \
	  "Share of the offered connections that is admitted, lately. In observe mode 1, as no " \
	  "load and no source is refused: there it leaves out what a front refuses by itself, " \
	  "which penstock_decisions_total counts with verdict defer and reason backend or limit.") \
	X(DEMAND, GAUGE, "penstock_demand_ratio", "ratio", "", "", \
	  "Offered connections divided by the capacity, of the service where that is largest; " \
	  "above 1: more is offered than can be carried.") \
	X(FILTER_BEHIND, GAUGE, "penstock_filter_behind_messages", "messages", "", "", \
	  "Messages that the mail server took and the filter behind it has not passed, as its " \
	  "CPU time tells; few or none while it keeps up. Absent: no filter is found.") \
	X(FILTER_CARRIES, GAUGE, "penstock_filter_carries_messages_per_second", \
	  "messages_per_second", "", "", \
	  "Messages a second that the filter behind the mail server carries, together with the " \
	  "server where both press the CPUs. Absent: no filter is found.") \
	X(SERVER_TIME, GAUGE, "penstock_server_time_seconds", "seconds", "service", "", \
	  "T: busy sessions by completions a second; 60 stands for 60 and more: then next to " \
	  "nothing is completed.") \
	X(CAPACITY, GAUGE, "penstock_capacity_sessions_per_second", "sessions_per_second", \
	  "service", "", \
	  "Completions a second that the law counts on: predicted from the CPU of a message, or " \
	  "as completed where the server is over its knee.") \
	X(TARGET_TIME, GAUGE, "penstock_target_time_seconds", "seconds", "service", "", \
	  "Tt: how long a session may queue inside the server, as the law aims at it. The window " \
	  "is the capacity times the sum of Tt, T0 and Z.") \
	X(UNLOADED_TIME, GAUGE, "penstock_unloaded_time_seconds", "seconds", "service", "", \
	  "T0: what a session costs the server when nothing queues.") \
	X(THINK_TIME, GAUGE, "penstock_think_time_seconds", "seconds", "service", "", \
	  "Z: how long a session waits for its sender.") \
	X(JOB_CPU, GAUGE, "penstock_job_cpu_seconds", "seconds", "service", "", \
	  "D: CPU time of a message, from which the capacity is predicted. Absent: not known.") \
	X(TRUST, GAUGE, "penstock_trust_ratio", "ratio", "service", "", \
	  "Share of the predicted capacity that the server has proven to complete.") \
	X(GROWTH_FROZEN, GAUGE, "penstock_growth_frozen", "", "service", "", \
	  "1 while the window does not grow because a signal that it depends on was lost.") \
	X(REGIME, STATESET, "penstock_regime", "", "service, regime", "", \
	  "What the law does with that capacity: the regime that is in force is 1.") \
	X(OFFERED, COUNTER, "penstock_offered_connections_total", "connections", "service", "", \
	  "Connections that asked, each once, whatever the answer.") \
	X(SERVICE_DECISIONS, COUNTER, "penstock_service_decisions_total", "", \
	  "service, verdict, reason", "", \
	  "Verdicts by service and reason.") \
	X(FINISHED, COUNTER, "penstock_finished_sessions_total", "sessions", "service", "", \
	  "Admitted sessions that have ended, in any way.") \
	X(COMPLETED, COUNTER, "penstock_completed_jobs_total", "jobs", "service", "", \
	  "Sessions that were greeted and ended in order, and one for every 8 server turns " \
	  "before that.") \
	X(BUSY_SECONDS, COUNTER, "penstock_busy_seconds_total", "seconds", "service", "", \
	  "Time in which the mail server owed an answer, summed over sessions; by " \
	  "penstock_completed_jobs_total it is T.") \
	X(CONNECT_220, HISTOGRAM, "penstock_connect_to_220_seconds", "seconds", "service", "", \
	  "From connection to the mail server's greeting, as the fronts see it.") \
	X(HELD, GAUGE, "penstock_held_connections", "connections", "service", "", \
	  "Connections that wait in front of the server for a place, ungreeted.") \
	X(HELD_LONGEST, GAUGE, "penstock_held_longest_seconds", "seconds", "service", "", \
	  "How long the connection that waits longest for a place has waited.") \
	X(HELD_TOTAL, COUNTER, "penstock_held_total", "", "service, outcome", "", \
	  "How the wait of a held connection ended: it got a place (admitted), was told 451 " \
	  "(in_vain), or its client left (left).") \
	X(HELD_SECONDS, HISTOGRAM, "penstock_held_seconds", "seconds", "service", "", \
	  "How long a connection was held.") \
	X(DECISIONS, COUNTER, "penstock_decisions_total", "", "front, verdict, reason", "", \
	  "Verdicts by front and reason.") \
	X(WOULD_DEFER, COUNTER, "penstock_would_defer_total", "", "front", "", \
	  "Connections that were admitted in observe mode and that enforcing would have " \
	  "deferred, or behind the proxy let wait for a place first.") \
	X(REFUSED_TOLD, COUNTER, "penstock_refused_told_total", "", "front", "", \
	  "Refused clients that got the whole reply; those of the policy service get theirs from " \
	  "the mail server.") \
	X(REFUSED_RESET, COUNTER, "penstock_refused_reset_total", "", "front", "", \
	  "Refused clients that had heard their reply in this epoch and were reset " \
	  "(front.gate.repeat = reset).") \
	X(POSTPONED, COUNTER, "penstock_postponed_total", "", "front", "", \
	  "First connection attempts of unknown senders that the gate dropped once, for the " \
	  "client's TCP to send again a second later: a SYN flood may have begun.") \
	X(REFUSED_LINGERING, GAUGE, "penstock_refused_lingering_clients", "clients", "front", "", \
	  "Refused clients that have not said QUIT yet.") \
	X(FAULTS, COUNTER, "penstock_faults_total", "", "fault", "", \
	  "What stopped or distorted mail without an overload, by fault; penstock-faults(7).") \
	X(FRONT_UP, GAUGE, "penstock_front_up", "", "front", "", \
	  "Whether a front that is configured answers.") \
	X(FRONT_ERRORS, COUNTER, "penstock_front_errors_total", "", "front", "", \
	  "Failures of a front itself: descriptors, memory, backend.") \
	X(MALFORMED, COUNTER, "penstock_malformed_requests_total", "requests", "", "", \
	  "Requests to a front that could not be read.") \
	X(DECISION_DURATION, HISTOGRAM, "penstock_decision_duration_seconds", "seconds", "", "", \
	  "What one verdict took.") \
	X(SOURCES_TRACKED, GAUGE, "penstock_sources_tracked", "", "", "", \
	  "Sources in the ledger.") \
	X(SOURCES_ROOM, GAUGE, "penstock_sources_room", "", "", "", \
	  "Sources that the ledger has room for.") \
	X(SOURCES_WAITING, GAUGE, "penstock_sources_waiting", "", "", "", \
	  "Sources that were deferred and still retry.") \
	X(OLDEST_DEFERRAL, GAUGE, "penstock_oldest_deferral_seconds", "seconds", "", "", \
	  "The longest of their waits; 0: no source waits.") \
	X(DEFERRAL_AGE, HISTOGRAM, "penstock_deferral_age_seconds", "seconds", "", "", \
	  "How long sources had waited when they were admitted.") \
	X(INFEASIBLE, GAUGE, "penstock_bound_infeasible", "", "", "", \
	  "1: more is due by longest_deferral and longest_attempts than there is capacity for.") \
	X(WAITED_A_DAY, GAUGE, "penstock_waited_a_day", "", "", "", \
	  "1: a source has waited for 24 h.") \
	X(PROMISED, COUNTER, "penstock_promised_attempts_total", "attempts", "", "", \
	  "Attempts that the promise to deferred sources covered.") \
	X(BROKEN_PROMISES, COUNTER, "penstock_broken_promises_total", "promises", "", "", \
	  "Attempts that were deferred although the promise covered them.") \
	X(EVICTED, COUNTER, "penstock_sources_evicted_total", "", "", "", \
	  "Sources forgotten for lack of room: source.ledger_size.") \
	X(EVENTS_LOST, COUNTER, "penstock_source_events_lost_total", "", "", "", \
	  "Verdicts of fronts that did not reach the table of sources.") \
	X(FAIR_RATE, GAUGE, "penstock_source_fair_rate", "", "", "", \
	  "Seconds of service a second that one source may have; absent: no bound.") \
	X(LEDGER_WRITTEN, GAUGE, "penstock_ledger_written", "", "", "", \
	  "1: the ledger is kept in the state directory.") \
	X(FLEET_CONNECTED, GAUGE, "penstock_fleet_connected", "", "", "", \
	  "1: the store of the fleet answers; 0: this host decides alone. Absent: fleet.servers " \
	  "is not set.") \
	X(FLEET_HOSTS, GAUGE, "penstock_fleet_hosts", "", "", "", \
	  "Hosts of the fleet that were heard of in the last 10 seconds, this one included.") \
	X(FLEET_MESSAGES, COUNTER, "penstock_fleet_messages_total", "", "direction", "", \
	  "Messages written to the store of the fleet (sent), read from it (read), and of them " \
	  "those that were damaged, foreign or sealed with another key (bad).") \
	X(FLEET_RECORDS, COUNTER, "penstock_fleet_records_total", "", "direction", "", \
	  "Records of senders: sent, read, joined (they changed the ledger), refused (without " \
	  "sense, or of a clock that is ahead), left_out (changes lost to a full queue).") \
	X(FLEET_FAILURES, COUNTER, "penstock_fleet_failures_total", "", "", "", \
	  "Connections to the store of the fleet that failed or broke.") \
	X(FLEET_RESTARTS, COUNTER, "penstock_fleet_restarts_total", "", "", "", \
	  "Restarts of the process that talks to the store of the fleet, after it ended or no " \
	  "longer said anything. A reload that changes [fleet] begins at 0 again.") \
	X(RUNQ, HISTOGRAM, "penstock_runq_latency_seconds", "seconds", "", "", \
	  "Time that tasks which became runnable waited for a CPU.") \
	X(FSYNC, HISTOGRAM, "penstock_fsync_seconds", "seconds", "scope", "", \
	  "Calls of fsync(), of all file systems (all) and of those of the queue directories " \
	  "(spool). Absent without the probe.") \
	X(DISK_IOS, COUNTER, "penstock_disk_ios_total", "", "device, op", "", \
	  "Completed requests of a disk by kind: read, write, flush.") \
	X(DISK_BYTES, COUNTER, "penstock_disk_bytes_total", "bytes", "device, op", "", \
	  "Bytes read from and written to a disk.") \
	X(DISK_TIME, COUNTER, "penstock_disk_time_seconds_total", "seconds", "device, op", "", \
	  "Time of requests from entry to completion, summed; by penstock_disk_ios_total it is " \
	  "the mean.") \
	X(DISK_LATENCY, HISTOGRAM, "penstock_disk_latency_seconds", "seconds", "device, op", "", \
	  "Time of a request from entry to completion, scheduler queue included. Absent without " \
	  "the probe.") \
	X(DISK_IN_FLIGHT, GAUGE, "penstock_disk_in_flight_requests", "requests", "device", "", \
	  "Requests that a disk has.") \
	X(DISK_COUNTS, GAUGE, "penstock_disk_counts", "", "device", "", \
	  "Whether a disk makes pressure: those of the queue directories where they are known, " \
	  "else all.") \
	X(DISK_IOS_RATE, GAUGE, "penstock_disk_ios_per_second", "ios_per_second", "device, op", \
	  "penstock_disk_ios_total", \
	  "Completed requests of a disk by kind.") \
	X(DISK_BYTES_RATE, GAUGE, "penstock_disk_bytes_per_second", "bytes_per_second", \
	  "device, op", "penstock_disk_bytes_total", \
	  "Bytes read from and written to a disk.") \
	X(DISK_MEAN, GAUGE, "penstock_disk_mean_seconds", "seconds", "device, op", \
	  "penstock_disk_time_seconds_total", \
	  "Mean time of a request from entry to completion.") \
	X(DISK_P99, GAUGE, "penstock_disk_p99_seconds", "seconds", "device, op", \
	  "penstock_disk_latency_seconds", \
	  "99th percentile of a request from entry to completion.") \
	X(SENSOR_UP, GAUGE, "penstock_sensor_up", "", "sensor", "", \
	  "Whether a sensor is in use.") \
	X(SENSOR_STATE, STATESET, "penstock_sensor_state", "", "sensor, state", "", \
	  "State of a sensor: skipped is one that this machine does not have, quarantined one " \
	  "that failed and is tried again later.") \
	X(SENSOR_ERRORS, COUNTER, "penstock_sensor_errors_total", "", "sensor", "", \
	  "Failed readings of a sensor.") \
	X(SENSOR_CPU, COUNTER, "penstock_sensor_cpu_seconds_total", "seconds", "sensor", "", \
	  "CPU time that a sensor's readings took.") \
	X(SENSOR_INTERVAL, GAUGE, "penstock_sensor_interval_seconds", "seconds", "sensor", "", \
	  "Time between readings of a sensor: longer for one that costs more.") \
	X(RELOAD_OK, GAUGE, "penstock_config_last_reload_successful", "", "", "", \
	  "Whether the last reading of the configuration was taken over.") \
	X(HEARTBEAT_AGE, GAUGE, "penstock_heartbeat_age_seconds", "seconds", "", "", \
	  "Age of the last completed tick. Fronts ignore a plan that is older than 2 s, and " \
	  "admit.") \
	X(TICK_DURATION, HISTOGRAM, "penstock_tick_duration_seconds", "seconds", "", "", \
	  "What a tick took.") \
	X(TICK_LATENESS, HISTOGRAM, "penstock_tick_lateness_seconds", "seconds", "", "", \
	  "How late the daemon woke for a tick: its own wait for a CPU.") \
	X(TICKS_EARLY, COUNTER, "penstock_ticks_early_total", "", "", "", \
	  "Ticks that came before their time because the kernel told of stalls (PSI).") \
	X(TICKS_LATE, COUNTER, "penstock_ticks_late_total", "", "", "", \
	  "Ticks that came more than one interval late.") \
	X(LOG_DROPPED, COUNTER, "penstock_log_dropped_total", "", "", "", \
	  "Log lines lost because the queue was full.") \
	X(HTTP_RESTARTS, COUNTER, "penstock_http_restarts_total", "", "", "", \
	  "How often the process that answers HTTP was started again, because it had ended or " \
	  "did not answer.") \
	X(CONTROL_RESTARTS, COUNTER, "penstock_control_restarts_total", "", "", "", \
	  "How often a process that parses the calls of the control socket was started again, " \
	  "because it had ended or did not answer.") \
	X(BUILD_INFO, INFO, "penstock_build_info", "", "version", "", \
	  "The version that runs.") \
	X(PROCESS_CPU, COUNTER, "process_cpu_seconds_total", "seconds", "", "", \
	  "CPU time of penstockd, user and system.") \
	X(PROCESS_RESIDENT, GAUGE, "process_resident_memory_bytes", "bytes", "", "", \
	  "Resident memory of penstockd.") \
	X(PROCESS_VIRTUAL, GAUGE, "process_virtual_memory_bytes", "bytes", "", "", \
	  "Virtual memory of penstockd.") \
	X(PROCESS_OPEN_FDS, GAUGE, "process_open_fds", "", "", "", \
	  "Descriptors that penstockd has open.") \
	X(PROCESS_MAX_FDS, GAUGE, "process_max_fds", "", "", "", \
	  "Descriptors that penstockd may have open.") \
	X(PROCESS_START, GAUGE, "process_start_time_seconds", "seconds", "", "", \
	  "When penstockd was started, seconds since 1970.")
/* clang-format on */

enum metric {
#define X(id, ...) METRIC_##id,
	METRIC_TABLE(X)
#undef X
		METRIC__COUNT
};

enum metric_kind { KIND_GAUGE, KIND_COUNTER, KIND_HISTOGRAM, KIND_INFO, KIND_STATESET };

struct metric_info {
	enum metric_kind kind;
	const char *name, *unit, *labels;
	const char *replaced_by; /* empty: it stays */
	const char *help;
};

extern const struct metric_info metric_info[METRIC__COUNT];
/* As OpenMetrics calls it: gauge, counter, ... */
const char *metric_kind_name(enum metric_kind kind);

#endif
