#include "penstockctl/top.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/text.h"
#include "penstockctl/field.h"
#include "publish/words.h"

#define PAST 64 /* readings of a sparkline, a second each */
#define RESOURCES 5
#define SERVICES 8
#define BAR 20

/* Safe for the colour-blind: no pair differs by red and green only. */
enum paint { PLAIN, GOOD, WARN, BAD };

enum sort { BY_NAME, BY_OFFERED, BY_DEFERRED, BY_IN_FLIGHT, SORTS };
static const char *const sort_names[] = { "name", "offered", "deferred", "in flight" };
static const char *const resource_names[RESOURCES] = { "cpu", "memory", "disk", "nic", "smtp" };

struct row {
	const char *name;
	const json_t *service;
	double key;
};

struct top {
	top_status ask;
	void *context;
	json_t *status; /* the last one; NULL: none yet */
	int error; /* of the last call */
	uint64_t came_us;
	enum sort sort;
	unsigned chosen; /* index of the chosen service in the sorted list */
	bool paused, help, colours, blocks;
	double past[RESOURCES][PAST];
	unsigned count; /* readings so far */
};

static void paint(const struct top *t, enum paint colour)
{
	attrset(colour == BAD ? A_BOLD : A_NORMAL);
	if (t->colours && colour != PLAIN)
		attron(COLOR_PAIR(colour));
}

/* Writes as much as fits into the line. */
static void at(int y, int x, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void at(int y, int x, const char *format, ...)
{
	char buffer[512];
	va_list args;

	if (y >= LINES - 1 || x >= COLS)
		return;
	va_start(args, format);
	vsnprintf(buffer, sizeof(buffer), format, args);
	va_end(args);
	mvaddnstr(y, x, buffer, COLS - x);
}

static const char *in_words(enum unit unit, double value, char *buffer, size_t size)
{
	struct text text = { .data = buffer, .size = size };

	buffer[0] = 0;
	if (value < 0)
		text_append(&text, "-");
	else
		words_value(&text, unit, value);
	return buffer;
}

static const char *server_time(const json_t *service, char *buffer, size_t size)
{
	struct text text = { .data = buffer, .size = size };
	double s = number(service, "server_time_s");

	if (s < 0)
		return "-";
	buffer[0] = 0;
	words_signal(&text, SIGNAL_SERVER_TIME_US, s * US_PER_S);
	return buffer;
}

static void draw_bar(const struct top *t, int y, int x, double pressure)
{
	int filled = (int)fmin(BAR, fmax(0, pressure * BAR / 2));

	if (x + BAR + 2 > COLS)
		return;
	paint(t, pressure >= 1 ? BAD : pressure >= 0.8 ? WARN : GOOD);
	for (int i = 0; i < BAR; i++)
		mvaddch(y, x + i, i < filled ? '#' : i == BAR / 2 ? '|' : '.');
	paint(t, PLAIN);
}

/* Draws the last readings, the newest at the right; full height is twice the target. */
static void draw_past(const struct top *t, int y, int x, unsigned resource)
{
	static const char *const blocks[] = { " ",	"\u2581", "\u2582", "\u2583", "\u2584",
					      "\u2585", "\u2586", "\u2587", "\u2588" };
	static const char *const letters[] = { " ", ".", ":", "-", "=", "+", "*", "%", "#" };
	unsigned width = COLS > x ? (unsigned)(COLS - x) : 0;
	unsigned shown = t->count < PAST ? t->count : PAST;

	if (width < 8 || y >= LINES - 1)
		return;
	shown = shown < width ? shown : width;
	move(y, x);
	for (unsigned i = 0; i < shown; i++) {
		double value = t->past[resource][(t->count - shown + i) % PAST];
		unsigned height = value <= 0 ? 0 : (unsigned)fmin(8, ceil(value * 4));

		addstr(t->blocks ? blocks[height] : letters[height]);
	}
}

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->key != y->key ? (x->key < y->key) - (x->key > y->key) : strcmp(x->name, y->name);
}

static double share_deferred(const json_t *service)
{
	double offered = number(service, "offered_per_s");

	return offered > 0 ? fmax(0, 1 - number(service, "admitted_per_s") / offered) : 0;
}

static unsigned sorted(const struct top *t, struct row rows[SERVICES])
{
	unsigned n = 0;
	const char *name;
	const json_t *service;

	json_object_foreach(json_object_get(t->status, "services"), name, service)
	{
		if (n == SERVICES)
			break;
		rows[n++] = (struct row){ name, service,
					  t->sort == BY_OFFERED ? number(service, "offered_per_s")
					  : t->sort == BY_DEFERRED  ? share_deferred(service)
					  : t->sort == BY_IN_FLIGHT ? number(service, "in_flight")
								    : 0 };
	}
	qsort(rows, n, sizeof(rows[0]), compare);
	return n;
}

static int draw_head(const struct top *t)
{
	int level = (int)number(t->status, "level");
	const json_t *driver = json_object_get(t->status, "driver");
	bool order = strcmp(string(t->status, "state"), "serving") != 0;
	char age[32];

	paint(t, order || level >= 2 ? BAD : level == 1 ? WARN : GOOD);
	attron(A_REVERSE);
	mvhline(0, 0, ' ', COLS);
	at(0, 0, " penstock  %s  %s, %s",
	   order ? string(t->status, "state") : string(t->status, "level_name"),
	   string(t->status, "state"), string(t->status, "mode"));
	paint(t, PLAIN);
	if (t->error)
		at(1, 0, "penstockd does not answer: %s. The figures are %s old.",
		   strerror(-t->error),
		   in_words(UNIT_S, (double)((clock_monotonic_us() - t->came_us) / US_PER_S), age,
			    sizeof(age)));
	else
		at(1, 0, "pressure %.2f by %s (%s), since %s%s",
		   fmax(0, number(t->status, "pressure")), string(driver, "resource"),
		   string(driver, "signal"), string(t->status, "since"),
		   t->paused ? ", PAUSED" : "");
	return 3;
}

static int draw_services(struct top *t, int y)
{
	struct row rows[SERVICES];
	unsigned n = sorted(t, rows);
	char time[32];

	if (t->chosen >= n)
		t->chosen = 0;
	attron(A_BOLD);
	at(y++, 0, "  %-12s %9s %9s %8s %11s %9s", "service", "offered", "admitted", "deferred",
	   "in flight", "time");
	attroff(A_BOLD);
	for (unsigned i = 0; i < n; i++) {
		const json_t *s = rows[i].service;
		char places[32];

		snprintf(places, sizeof(places), "%.0f/%.0f", fmax(0, number(s, "in_flight")),
			 fmax(0, number(s, "window")));
		at(y++, 0, "%c %-12.12s %7.1f/s %7.1f/s %6.0f %% %11s %9s",
		   i == t->chosen ? '>' : ' ', rows[i].name, number(s, "offered_per_s"),
		   number(s, "admitted_per_s"), share_deferred(s) * 100, places,
		   server_time(s, time, sizeof(time)));
	}
	if (n && LINES >= 20) {
		const json_t *s = rows[t->chosen].service;

		at(y++, 2, "%s: law %s, regime %s; capacity %.1f/s, waiting %.0f, hard limit %.0f",
		   rows[t->chosen].name, string(s, "law"), string(s, "regime"),
		   fmax(0, number(s, "capacity_per_s")), fmax(0, number(s, "held")),
		   fmax(0, number(s, "window_max")));
		y++;
	}
	return y;
}

static int draw_resources(const struct top *t, int y)
{
	attron(A_BOLD);
	at(y++, 0, "  %-8s %8s  %-*s  %s", "resource", "pressure", BAR, "1.00 at the |",
	   "last minute");
	attroff(A_BOLD);
	for (unsigned r = 0; r < RESOURCES; r++, y++) {
		const json_t *one =
			json_object_get(json_object_get(t->status, "resources"), resource_names[r]);
		double pressure = number(one, "pressure");

		if (pressure < 0) {
			at(y, 2, "%-8s not known", resource_names[r]);
			continue;
		}
		at(y, 2, "%-8s %8.2f", resource_names[r], pressure);
		if (y < LINES - 1) {
			draw_bar(t, y, 21, pressure);
			draw_past(t, y, 43, r);
		}
	}
	return y;
}

static void draw_rest(const struct top *t, int y)
{
	const json_t *sources = json_object_get(t->status, "sources"), *front;
	const char *name;
	char wait[32];

	if (json_is_true(json_object_get(sources, "known")))
		at(y++, 2, "%.0f sources wait, the longest for %s",
		   fmax(0, number(sources, "deferred_waiting")),
		   in_words(UNIT_S, number(sources, "oldest_deferral_s"), wait, sizeof(wait)));
	json_object_foreach(json_object_get(json_object_get(t->status, "decisions"), "by_front"),
			    name, front)
	{
		bool up = json_is_true(json_object_get(front, "up"));

		paint(t, up ? PLAIN : BAD);
		at(y++, 2, "front %-8s %s, %.0f admitted, %.0f deferred", name, up ? "up" : "DOWN",
		   number(front, "admitted"), number(front, "deferred"));
		paint(t, PLAIN);
	}
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"q, Ctrl-C   quit",
		"p, blank    pause, go on",
		"s           sort services by name, offered, deferred, in flight",
		"Tab         the next service in detail",
		"h, ?        this help, and back",
		"",
		"offered, admitted  connections a second; deferred  their share",
		"in flight a/b      sessions, of a window of b",
		"pressure           signal / target; 1.00: the target is just met",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
		at(3 + (int)i, 2, "%s", lines[i]);
}

static void draw(struct top *t)
{
	int y;

	erase();
	y = draw_head(t);
	if (t->help)
		draw_help();
	else
		draw_rest(t, draw_resources(t, draw_services(t, y)) + (LINES >= 20));
	attrset(A_REVERSE);
	mvhline(LINES - 1, 0, ' ', COLS);
	mvprintw(LINES - 1, 0, " q quit  p pause  s sort: %s  Tab service  h help",
		 sort_names[t->sort]);
	attrset(A_NORMAL);
	refresh();
}

static void take(struct top *t)
{
	json_t *status = NULL;

	t->error = t->ask(t->context, &status);
	if (t->error)
		return;
	json_decref(t->status);
	t->status = status;
	t->came_us = clock_monotonic_us();
	for (unsigned r = 0; r < RESOURCES; r++)
		t->past[r][t->count % PAST] = number(
			json_object_get(json_object_get(status, "resources"), resource_names[r]),
			"pressure");
	t->count++;
}

/* Handles a key. False: the program ends. */
static bool on_key(struct top *t, int key)
{
	if (key == 'q' || key == 3)
		return false;
	if (key == 'p' || key == ' ')
		t->paused = !t->paused;
	else if (key == 's')
		t->sort = (t->sort + 1) % SORTS;
	else if (key == '\t')
		t->chosen++;
	else if (key == 'h' || key == '?')
		t->help = !t->help;
	return true;
}

static void loop(struct top *t)
{
	uint64_t next_us = clock_monotonic_us() + US_PER_S;

	for (;;) {
		uint64_t now_us = clock_monotonic_us();
		int key;

		if (now_us >= next_us) {
			if (!t->paused)
				take(t);
			next_us = now_us + US_PER_S;
		}
		draw(t);
		timeout((int)((next_us - now_us) / 1000) + 1);
		key = getch();
		if (key != ERR && !on_key(t, key))
			return;
		/* The terminal is gone. */
		if (key == ERR && !isatty(STDIN_FILENO))
			return;
	}
}

int top_run(top_status ask, void *context)
{
	struct top t = { .ask = ask, .context = context };
	FILE *out;
	SCREEN *screen;

	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return -ENOTTY;
	setlocale(LC_CTYPE, "");
	take(&t);
	if (!t.status)
		return t.error;
	out = fdopen(STDOUT_FILENO, "w");
	screen = out ? newterm(NULL, out, stdin) : NULL;
	if (!screen) {
		json_decref(t.status);
		return -ENOTTY;
	}
	t.blocks = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	t.colours = !getenv("NO_COLOR") && has_colors() && start_color() == OK &&
		    use_default_colors() == OK;
	if (t.colours) {
		init_pair(GOOD, COLOR_CYAN, -1);
		init_pair(WARN, COLOR_YELLOW, -1);
		init_pair(BAD, COLOR_MAGENTA, -1);
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	loop(&t);
	endwin();
	delscreen(screen);
	json_decref(t.status);
	return 0;
}
