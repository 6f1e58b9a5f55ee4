#include "kernel/probe.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

bool probe_has_tracepoint(const struct btf *btf, const char *name)
{
	char type[96];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf && btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

/* "tp_btf/a, b, raw_tp/c" */
static void name_form(char *form, const char *section, const char *name, bool *was_raw, bool is_raw)
{
	size_t used = strlen(form);

	snprintf(form + used, PROBE_FORM_MAX - used, "%s%s", used ? ", " : "",
		 used && *was_raw == is_raw ? name : section);
	*was_raw = is_raw;
}

/* "tp_btf/NAME" or "raw_tp/NAME"; other sections are loaded whatever the form. */
static void choose(struct bpf_object *object, const struct btf *btf, bool raw_only, char *form)
{
	struct bpf_program *program;
	bool was_raw = false;

	form[0] = 0;
	bpf_object__for_each_program(program, object)
	{
		const char *section = bpf_program__section_name(program);
		const char *name = strchr(section, '/');
		bool is_raw = strncmp(section, "raw_tp/", 7) == 0, wanted;

		if (!name || (!is_raw && strncmp(section, "tp_btf/", 7) != 0))
			continue;
		wanted = is_raw == (raw_only || !probe_has_tracepoint(btf, name + 1));
		bpf_program__set_autoload(program, wanted);
		if (wanted)
			name_form(form, section, name + 1, &was_raw, is_raw);
	}
}

int probe_open_two_forms(const struct probe_skeleton *type, const struct probe_env *env,
			 void **ret_skeleton, char *form)
{
	int r = -ENOMEM;

	for (int raw_only = 0; raw_only < 2; raw_only++) {
		void *skeleton = type->open();

		if (!skeleton)
			return -ENOMEM;
		choose(type->object(skeleton), env->btf, raw_only, form);
		r = type->prepare ? type->prepare(skeleton, env) : 0;
		if (r == 0)
			r = type->load(skeleton);
		if (r == 0)
			r = type->attach(skeleton);
		if (r == 0) {
			*ret_skeleton = skeleton;
			return 0;
		}
		type->destroy(skeleton);
	}
	return r;
}

static int map_array(const struct bpf_map *map, struct probe_mapped *m)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
	void *values;

	size = (size + page - 1) / page * page;
	values = mmap(NULL, size, PROT_READ, MAP_SHARED, bpf_map__fd(map), 0);
	if (values == MAP_FAILED)
		return -errno;
	m->values = values;
	m->size = size;
	return 0;
}

int probe_open_mapped(const struct probe_skeleton *type, const struct probe_env *env,
		      const char *array, struct probe_mapped *ret, char *form)
{
	int r;

	*ret = (struct probe_mapped){ .type = type };
	r = probe_open_two_forms(type, env, &ret->skeleton, form);
	if (r < 0)
		return r;
	r = map_array(bpf_object__find_map_by_name(type->object(ret->skeleton), array), ret);
	if (r < 0)
		type->destroy(ret->skeleton);
	return r;
}

void probe_close_mapped(struct probe_mapped *m)
{
	munmap((void *)m->values, m->size);
	m->type->destroy(m->skeleton);
}
