/*
 * What the daemon's error codes and the kernel's errno are called in this
 * library. The words themselves: cometd_strerror() of <cometd-bridge.h>.
 */
#ifndef LIBCLIENT_ERROR_H
#define LIBCLIENT_ERROR_H

#include "protocol/protocol.h"

/* PROTOCOL_ERRORS_END (a code this library does not know) becomes COMETD_E_INTERNAL */
int error_of_protocol(enum protocol_error e);
/* of a negative errno: COMETD_E_NOMEM, COMETD_E_NO_DAEMON, …, COMETD_E_SYSTEM; 0 of 0 */
int error_of_errno(int r);

#endif
