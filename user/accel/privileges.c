// SPDX-License-Identifier: BSD-2-Clause
/*
 * Attaching takes capabilities that nothing else does. Where a thread is permitted them but does
 * without (capabilities(7)), it uses them for so long.
 */
#include <sys/capability.h>
#include "accel/internal.h"

static const cap_value_t wanted[] = {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON};

void accel_privileges_raise(struct accel_privileges *former)
{
	cap_t raised = NULL;

	former->state = cap_get_proc();
	if (former->state)
		raised = cap_dup(former->state);
	for (size_t i = 0; raised && i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		cap_flag_value_t permitted = CAP_CLEAR;

		cap_get_flag(raised, wanted[i], CAP_PERMITTED, &permitted);
		if (permitted == CAP_SET)
			cap_set_flag(raised, CAP_EFFECTIVE, 1, &wanted[i], CAP_SET);
	}
	/* Without them, what needs them says so. */
	if (raised)
		cap_set_proc(raised);
	cap_free(raised);
}

void accel_privileges_lower(struct accel_privileges *former)
{
	if (former->state)
		cap_set_proc(former->state);
	cap_free(former->state);
	former->state = NULL;
}

bool accel_privileges_are_full(void)
{
	cap_flag_value_t effective = CAP_CLEAR;
	cap_t state = cap_get_proc();

	if (state)
		cap_get_flag(state, CAP_SYS_ADMIN, CAP_EFFECTIVE, &effective);
	cap_free(state);
	return effective == CAP_SET;
}
