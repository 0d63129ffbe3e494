// SPDX-License-Identifier: BSD-2-Clause
/*
 * coaxd: serves a directory over CoAP.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <coax/context.h>
#include <coax/credentials.h>
#include <linux/types.h>
#include <coax/maps.h>
#include "coaxd/control.h"
#include "coaxd/files.h"
#include "coaxd/options.h"
#include "coaxd/privileges.h"
#include "coaxd/replace.h"

/* Before threads exist, so that the signals wait for coaxd_control_run() in all of them. */
static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Too large a file is an error of a write, not the end. */
	signal(SIGXFSZ, SIG_IGN);
}

static void tell_ready(const struct coaxd_options *options)
{
	if (options->ready_fd < 0)
		return;
	if (write(options->ready_fd, "\n", 1) != 1)
		coax_log(&options->files.logger, COAX_LOG_WARNING,
			 "cannot write to file descriptor %d of --ready-fd: %s", options->ready_fd,
			 strerror(errno));
	close(options->ready_fd);
}

/* Before it starts threads that serve. */
static void give_up_privileges(void *arg)
{
	const struct coaxd_options *options = arg;
	int err = coaxd_privileges_drop(options->context.accel.interface_count);

	if (!err)
		return;
	coax_log(&options->files.logger, COAX_LOG_ERROR, "cannot give up capabilities: %s",
		 strerror(-err));
	exit(EXIT_FAILURE);
}

static const char *instance_of(const struct coaxd_options *options)
{
	const char *instance = options->context.accel.instance;

	return instance ? instance : COAX_INSTANCE_DEFAULT;
}

/* In the place of another daemon, if that is asked for and there is one. */
static int create_context(struct coax_context **context, struct coaxd_options *options)
{
	struct coaxd_replacement replacement;
	int err;

	coaxd_privileges_use();
	options->context.accel.attached = give_up_privileges;
	options->context.accel.arg = options;
	if (!options->replace)
		return coax_context_create(context, &options->context);
	err = coaxd_replace_begin(&replacement, instance_of(options), &options->files.logger);
	if (err)
		return err;
	if (replacement.connection >= 0)
		options->context.succession = &replacement.succession;
	err = coax_context_create(context, &options->context);
	if (err) {
		coaxd_replace_end(&replacement, NULL);
		return err;
	}
	err = coaxd_replace_end(&replacement, *context);
	if (err)
		coax_context_shutdown(*context);
	return err;
}

static int serve(struct coaxd_options *options, struct coax_site *site,
		 struct coaxd_monitor *monitor, const sigset_t *signals)
{
	const struct coax_logger *logger = &options->files.logger;
	struct coaxd_control control;
	struct coax_context *context;
	int err;

	options->context.site = site;
	err = coaxd_security_load(&options->security, &options->context.server_credentials);
	if (!err)
		err = create_context(&context, options);
	coax_credentials_release(options->context.server_credentials);
	if (err)
		return err;
	control.security = &options->security;
	err = coaxd_control_open(&control, instance_of(options), options->replace, signals, logger);
	if (err) {
		coax_log(logger, COAX_LOG_ERROR, "cannot wait for signals: %s", strerror(-err));
		coax_context_shutdown(context);
		return err;
	}
	coax_log(logger, COAX_LOG_INFO, "serving %s on port %u", options->files.directory,
		 coax_context_port(context));
	if (!options->context.accel.interface_count)
		coax_log(logger, COAX_LOG_INFO,
			 "answering from userspace alone: no --interface was named for the kernel "
			 "to answer on");
	coaxd_monitor_begin(monitor, &options->monitor, context, logger);
	tell_ready(options);

	coaxd_control_run(&control, context);
	coaxd_monitor_end(monitor);
	coaxd_control_close(&control);
	coax_context_shutdown(context);
	return 0;
}

struct files_creation {
	struct coaxd_files *files;
	const struct coaxd_files_options *options;
};

/* The threads that read and write files have no capabilities: they are one's that had none. */
static int create_files(void *arg)
{
	struct files_creation *creation = arg;

	return coaxd_files_create(&creation->files, creation->options);
}

int main(int argc, char **argv)
{
	struct files_creation creation = {0};
	struct coaxd_monitor monitor = {0};
	struct coax_site *site = NULL;
	struct coaxd_options options;
	sigset_t signals;
	int status = coaxd_options_read(&options, argc, argv);
	int err;

	if (status >= 0)
		return status;
	block_signals(&signals);

	creation.options = &options.files;
	err = coaxd_privileges_become(options.user, instance_of(&options), &options.files.logger);
	if (!err)
		err = coaxd_privileges_without(create_files, &creation);
	if (err)
		return EXIT_FAILURE;
	err = coax_site_create(&site);
	if (!err)
		err = coaxd_files_add(creation.files, site);
	if (!err)
		err = coaxd_monitor_add(&monitor, &options.monitor, site);
	if (!err)
		err = coaxd_security_apply(&options.security, site);
	if (err)
		coax_log(&options.files.logger, COAX_LOG_ERROR, "cannot build the site: %s",
			 strerror(-err));
	else
		err = serve(&options, site, &monitor, &signals);
	coax_site_destroy(site);
	coaxd_files_destroy(creation.files);
	coaxd_security_free(&options.security);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
