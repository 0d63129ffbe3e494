// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "accel/accel.h"
#include "coaxd/privileges.h"
#include "control_socket.h"

static const cap_value_t to_attach[] = {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON};

static const struct passwd *find_user(const char *name, const struct coax_logger *logger)
{
	const struct passwd *user = getpwnam(name ? name : COAXD_USER);

	if (!user && !name)
		user = getpwnam(COAXD_USER_OTHERWISE);
	if (!user)
		coax_log(logger, COAX_LOG_ERROR, "there is no user \"%s\"",
			 name ? name : COAXD_USER_OTHERWISE);
	else if (!user->pw_uid)
		coax_log(logger, COAX_LOG_ERROR,
			 "it does not serve as root: --user takes another user");
	return user && user->pw_uid ? user : NULL;
}

/* Where only root can make room. */
static void prepare_directories(const struct passwd *user, const char *instance,
				const struct coax_logger *logger)
{
	int err = coax_control_give(user->pw_uid, user->pw_gid);

	if (err)
		coax_log(
			logger, COAX_LOG_WARNING,
			"this daemon cannot be asked to attach, flush or be replaced: " COAX_CONTROL_DIRECTORY
			" %s",
			err == -EBUSY ? "is in use by another user's daemon" : strerror(-err));
	coax_accel_give(instance, user->pw_uid, user->pw_gid);
}

static int become(const struct passwd *user)
{
	if (prctl(PR_SET_KEEPCAPS, 1) != 0 || initgroups(user->pw_name, user->pw_gid) != 0 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
		return -errno;
	return 0;
}

/* To all that are permitted, or to none. */
static int set_effective(bool all)
{
	cap_t state = cap_get_proc();
	int last = cap_max_bits();
	int err = 0;

	if (!state)
		return -errno;
	cap_clear_flag(state, CAP_EFFECTIVE);
	cap_clear_flag(state, CAP_INHERITABLE);
	for (cap_value_t i = 0; all && i < last; i++) {
		cap_flag_value_t permitted = CAP_CLEAR;

		cap_get_flag(state, i, CAP_PERMITTED, &permitted);
		if (permitted == CAP_SET)
			cap_set_flag(state, CAP_EFFECTIVE, 1, &i, CAP_SET);
	}
	if (cap_set_proc(state) != 0)
		err = -errno;
	cap_free(state);
	return err;
}

int coaxd_privileges_become(const char *name, const char *instance,
			    const struct coax_logger *logger)
{
	bool is_root = geteuid() == 0;
	const struct passwd *user = NULL;
	int err = 0;

	if (is_root || name) {
		user = find_user(name, logger);
		if (!user)
			return -EINVAL;
	}
	if (is_root)
		prepare_directories(user, instance, logger);
	if (user && (geteuid() != user->pw_uid || getuid() != user->pw_uid))
		err = become(user);
	if (err) {
		coax_log(logger, COAX_LOG_ERROR, "cannot become user \"%s\": %s%s", user->pw_name,
			 strerror(-err), is_root ? "" : "; only root can");
		return err;
	}
	/* Nothing that it might execute is to have what it has. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || cap_reset_ambient() != 0)
		err = -errno;
	if (!err)
		err = set_effective(false);
	if (err)
		coax_log(logger, COAX_LOG_ERROR, "cannot give up capabilities: %s", strerror(-err));
	return err;
}

void coaxd_privileges_use(void)
{
	/* Whoever then lacks one says which. */
	(void)set_effective(true);
}

int coaxd_privileges_drop(bool attaches)
{
	cap_t former = cap_get_proc();
	cap_t state = cap_init();
	int err = former && state ? 0 : -ENOMEM;

	for (size_t i = 0; !err && attaches && i < sizeof(to_attach) / sizeof(*to_attach); i++) {
		cap_flag_value_t permitted = CAP_CLEAR;

		cap_get_flag(former, to_attach[i], CAP_PERMITTED, &permitted);
		cap_set_flag(state, CAP_PERMITTED, 1, &to_attach[i], permitted);
	}
	if (!err && cap_set_proc(state) != 0)
		err = -errno;
	cap_free(former);
	cap_free(state);
	return err;
}
