/* The server side of the Bayeux protocol: reads requests and answers them. */
#ifndef FAKE_BAYEUX_H
#define FAKE_BAYEUX_H

#include "tests/fake/exchange.h"

/* Answers the messages of x->text, now or later. Takes ownership of x. */
void bayeux_receive(struct exchange *x);

#endif
