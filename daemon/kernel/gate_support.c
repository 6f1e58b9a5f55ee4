/* Finds out whether the gate works on this host: opens it as penstockd does, guarding no port, and
 * closes it. */
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "kernel/gate_parts.h"
#include "kernel/netns.h"

int gate_possible(const struct config *config, const char **ret_form, char *why)
{
	struct gate_options options = { .listener_v4 = -1, .listener_v6 = -1 };
	struct gate_view view;
	struct gate *gate = NULL;
	int r;

	why[0] = 0;
	options.netns_fd = r = netns_open(config->gate.netns, why);
	if (r < 0)
		return r;
	r = gate_open(&options, &gate, why);
	if (r == 0) {
		gate_view(gate, &view);
		*ret_form = view.form;
	}
	gate_close(gate, false);
	close(options.netns_fd);
	return r;
}

void gate_support(const struct config *config, struct text *out)
{
	const char *form = "";
	char why[256];

	if (!config->bpf) {
		text_append(
			out,
			"gate: not possible: BPF is switched off (daemon.bpf = no); use penstock-proxy\n");
		return;
	}
	if (gate_possible(config, &form, why) < 0)
		text_append(
			out,
			"gate: not possible: %s ([front.proxy]), and so does the policy service ([front.policy])\n",
			why);
	else
		text_append(out, "gate: possible (%s)%s%s%s\n", form,
			    config->gate.netns[0] ? ", in " : "", config->gate.netns,
			    config->gate.enabled ? ", enabled" : "");
}
