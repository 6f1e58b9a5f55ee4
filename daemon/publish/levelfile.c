#include "publish/levelfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/wholefile.h"

/* Replaces the file: a reader sees the old or the new one. */
static int write_file(const char *run_dir, enum level_number level, const char *state)
{
	char path[300], content[128] = "";
	struct text text = TEXT_OF(content);
	struct iovec whole = { content, 0 };

	snprintf(path, sizeof(path), "%s/level", run_dir);
	text_append(&text, "LEVEL=%s\nLEVEL_NUMBER=%d\nSTATE=%s\n", level_name(level), (int)level,
		    state);
	whole.iov_len = text.length;
	return wholefile_write(AT_FDCWD, path, 0644, &whole, 1, false);
}

/* Another process may have removed it. */
static bool is_there(struct levelfile *f, uint64_t now_us)
{
	char path[300];

	if (now_us - f->looked_us < LEVELFILE_PAUSE_US)
		return true;
	f->looked_us = now_us;
	snprintf(path, sizeof(path), "%s/level", f->run_dir);
	return access(path, F_OK) == 0;
}

void levelfile_step(struct levelfile *f, const struct engine_view *view, uint64_t now_us)
{
	int r;

	if (f->written && f->level == view->level.number && f->state == view->state &&
	    is_there(f, now_us))
		return;
	if (f->written_us && now_us - f->written_us < LEVELFILE_PAUSE_US)
		return;
	r = write_file(f->run_dir, view->level.number, engine_state_name(view->state));
	f->written_us = f->looked_us = now_us;
	f->written = r == 0;
	f->level = view->level.number;
	f->state = view->state;
	if (r < 0 && !f->failed)
		log_warning(
			"Cannot write %s/level: %s. Units that follow the level are not started or stopped. Free space there; it is tried again.",
			f->run_dir, strerror(-r));
	f->failed = r < 0;
}

void levelfile_close(struct levelfile *f)
{
	if (f->run_dir)
		write_file(f->run_dir, LEVEL_NORMAL, "stopped");
}
