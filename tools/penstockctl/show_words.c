#include <math.h>
#include <string.h>

#include "base/text.h"
#include "penstockctl/show.h"
#include "penstockctl/show_parts.h"
#include "publish/words.h"

void show_number(FILE *out, const char *name, double value, const char *unit)
{
	if (value < 0)
		fprintf(out, "%s unknown", name);
	else
		fprintf(out, "%s %.*f%s", name, value == floor(value) || value >= 100 ? 0 : 2,
			value, unit);
}

void show_duration(FILE *out, double s, bool column)
{
	char buffer[32] = "-";
	struct text text = TEXT_OF(buffer);

	if (s >= 0)
		words_duration(&text, s);
	fprintf(out, " %*s", column ? 8 : 0, buffer);
}
