/*
 * Selects between JSON and binary data of a request. JSON of a peer is passed on
 * unchanged.
 */
#include "hub/payload.h"

#include "bayeux/binary.h"

/* Z85 is shorter than the base64 it is made from, so the limit of the frame is sufficient. */
static int make(const struct message *m, struct payload *p, const char **ret_why)
{
	int r = binary_from_wire(m->binary, p->ext, &p->made_data, &p->made_ext, ret_why);

	p->data = buf_slice(&p->made_data);
	p->ext = buf_slice(&p->made_ext);
	return r == BINARY_E_OBJECT ? PAYLOAD_E_REQUEST : r;
}

int payload_read(const struct message *m, struct payload *ret, const char **ret_why)
{
	bool json = message_has(m, PROTOCOL_FIELD_DATA);

	*ret = (struct payload){.data = m->data};
	buf_init(&ret->made_data, PROTOCOL_REQUEST_MAX);
	buf_init(&ret->made_ext, PROTOCOL_REQUEST_MAX);
	if (message_has(m, PROTOCOL_FIELD_EXT))
		ret->ext = m->ext;
	*ret_why = json ? "data and binary; a message carries one of them"
			: "data is missing, and so is binary";
	if (json == message_has(m, PROTOCOL_FIELD_BINARY))
		return PAYLOAD_E_REQUEST;
	return json ? 0 : make(m, ret, ret_why);
}

void payload_fini(struct payload *p)
{
	buf_fini(&p->made_data);
	buf_fini(&p->made_ext);
}
