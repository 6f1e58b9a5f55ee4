#include "penstock-sim/plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"

#define WIDTH 860.0
#define LEFT 70.0
#define PANEL 96.0
#define GAP 26.0
#define TOP 34.0
#define POINTS 430 /* most points of a line */

struct line {
	const char *name, *colour;
	double (*value)(const struct measure *measure, uint32_t second);
};

struct panel {
	const char *title, *unit;
	struct line line[2];
	double scale_min; /* the scale reaches at least up to here */
};

static double offered(const struct measure *m, uint32_t s)
{
	return m->second[s].offered;
}

static double good(const struct measure *m, uint32_t s)
{
	return m->second[s].good;
}

static double capacity(const struct measure *m, uint32_t s)
{
	return m->capacity[s];
}

static double window(const struct measure *m, uint32_t s)
{
	return m->second[s].window;
}

static double in_flight(const struct measure *m, uint32_t s)
{
	return m->second[s].in_flight;
}

static double pressure(const struct measure *m, uint32_t s)
{
	return m->second[s].pressure;
}

static double level(const struct measure *m, uint32_t s)
{
	return m->second[s].level;
}

static double age(const struct measure *m, uint32_t s)
{
	return m->second[s].age_s / 60;
}

static const struct panel panels[] = {
	{ "connections offered", "a second", { { "offered", "#888888", offered } }, 1 },
	{ "goodput",
	  "a second",
	  { { "good", "#1b7f3b", good }, { "capacity", "#c0392b", capacity } },
	  1 },
	{ "window and in flight",
	  "sessions",
	  { { "in flight", "#e08e0b", in_flight }, { "window", "#1f5fa8", window } },
	  1 },
	{ "pressure", "1 = objective just met", { { "pressure", "#7d3c98", pressure } }, 1 },
	{ "level", "0 normal to 4 critical", { { "level", "#444444", level } }, 4 },
	{ "longest deferral of those admitted", "minutes", { { "age", "#a0522d", age } }, 1 },
};

/* Mean of a column over the seconds of one pixel. */
static double mean_of(const struct measure *m, const struct line *l, uint32_t from, uint32_t to)
{
	double sum = 0;

	for (uint32_t s = from; s < to; s++)
		sum += l->value(m, s);
	return to > from ? sum / (to - from) : 0;
}

static double most_of(const struct measure *m, const struct panel *p, uint32_t seconds,
		      uint32_t step)
{
	double most = p->scale_min;

	for (int i = 0; i < 2 && p->line[i].value; i++)
		for (uint32_t s = 1; s + step <= seconds; s += step)
			most = fmax(most, mean_of(m, &p->line[i], s, s + step));
	return most;
}

static void draw_panel(FILE *f, const struct run *r, const struct panel *p, double y,
		       uint32_t seconds)
{
	uint32_t step = (seconds + POINTS - 1) / POINTS;
	double most, x_scale = (WIDTH - LEFT - 20) / seconds;

	if (step < 1)
		step = 1;
	most = most_of(&r->measure, p, seconds, step);
	fprintf(f, "<text x=\"%g\" y=\"%g\" class=\"t\">%s <tspan class=\"u\">%s</tspan></text>\n",
		LEFT, y - 6, p->title, p->unit);
	fprintf(f,
		"<rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\" fill=\"none\" stroke=\"#cccccc\"/>\n",
		LEFT, y, WIDTH - LEFT - 20, PANEL);
	fprintf(f,
		"<text x=\"%g\" y=\"%g\" class=\"s\">%.3g</text><text x=\"%g\" y=\"%g\" class=\"s\">0</text>\n",
		LEFT - 6, y + 10, most, LEFT - 6, y + PANEL);
	for (int i = 0; i < 2 && p->line[i].value; i++) {
		fprintf(f, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.3\" points=\"",
			p->line[i].colour);
		for (uint32_t s = 1; s + step <= seconds; s += step)
			fprintf(f, "%.1f,%.1f ", LEFT + s * x_scale,
				y + PANEL -
					PANEL * mean_of(&r->measure, &p->line[i], s, s + step) /
						most);
		fprintf(f, "\"/>\n<text x=\"%g\" y=\"%g\" class=\"l\" fill=\"%s\">%s</text>\n",
			WIDTH - 24, y + 13 + 13 * i, p->line[i].colour, p->line[i].name);
	}
}

static void draw_time(FILE *f, const struct run *r, double y, uint32_t seconds)
{
	double x_scale = (WIDTH - LEFT - 20) / seconds;
	bool minutes = seconds > 600;

	for (int i = 0; i <= 4; i++) {
		double s = seconds * i / 4.0;

		fprintf(f, "<text x=\"%g\" y=\"%g\" class=\"x\">%.3g %s</text>\n",
			LEFT + s * x_scale, y, minutes ? s / 60 : s, minutes ? "min" : "s");
	}
	if (r->measure.to_s > r->measure.from_s)
		fprintf(f,
			"<rect x=\"%.1f\" y=\"%g\" width=\"%.1f\" height=\"%g\" fill=\"#c0392b\" opacity=\"0.08\"/>\n",
			LEFT + r->measure.from_s * x_scale, TOP,
			(fmin(r->measure.to_s, seconds) - r->measure.from_s) * x_scale,
			y - TOP - 14);
}

int plot_write(const struct run *r, const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "we");
	uint32_t seconds = r->measure.seconds - 3;
	unsigned count = ARRAY_SIZE(panels);
	double height = TOP + count * (PANEL + GAP) + 20;

	if (!f) {
		int error = errno;

		fprintf(stderr, "penstock-sim: cannot write %s: %s\n", path, strerror(error));
		return -error;
	}
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" viewBox=\"0 0 %g %g\">\n"
		"<style>text{font-family:sans-serif;font-size:11px}.t{font-size:12px}.u{fill:#777777;font-size:10px}"
		".s{text-anchor:end;fill:#777777}.l{text-anchor:end}.x{text-anchor:middle;fill:#777777}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n"
		"<text x=\"%g\" y=\"14\" class=\"t\">law %s, seed %llu; the overload is shaded</text>\n",
		WIDTH, height, WIDTH, height, LEFT, law_name(r->host[0].law.kind),
		(unsigned long long)r->seed);
	for (unsigned i = 0; i < count; i++)
		draw_panel(f, r, &panels[i], TOP + 14 + i * (PANEL + GAP), seconds);
	draw_time(f, r, TOP + 14 + count * (PANEL + GAP) - 8, seconds);
	fprintf(f, "</svg>\n");
	return ferror(f) ? -EIO : 0;
}
