// Speaks HTTP/2 over TLS, and hands each request on to a server behind it: what a modern front is to
// a Bayeux server. Says on stdout what came: "port N", "session N", "request N open K" (requests that
// this session has open at that moment, with it). SIGUSR2: every connection goes away at once.
//   node http2_front.js CERT KEY PORT-BEHIND
'use strict';
const fs = require('fs'), http = require('http'), http2 = require('http2');
const [cert, key, behind] = process.argv.slice(2);
const sessions = new Map();
let count = 0;

// what belongs to one connection
function carried(headers) {
	const out = {};
	for (const [name, value] of Object.entries(headers))
		if (name[0] !== ':' && !['connection', 'keep-alive', 'transfer-encoding'].includes(name))
			out[name] = value;
	return out;
}

const server = http2.createSecureServer({cert: fs.readFileSync(cert), key: fs.readFileSync(key)},
					(req, res) => {
	const s = sessions.get(req.stream.session);
	if (!s)
		return;
	s.open++;
	console.log(`request ${s.number} open ${s.open}`);
	const onward = http.request({host: '127.0.0.1', port: behind, method: req.method,
				     path: req.url, headers: carried(req.headers)}, (answer) => {
		res.writeHead(answer.statusCode, carried(answer.headers));
		answer.pipe(res);
	});
	onward.on('error', () => req.stream.destroy());
	req.stream.on('error', () => {});
	req.stream.on('close', () => { s.open--; onward.destroy(); });
	req.pipe(onward);
});
server.on('session', (session) => {
	sessions.set(session, {number: ++count, open: 0});
	console.log(`session ${count}`);
	session.on('error', () => {});
	session.on('close', () => sessions.delete(session));
});
process.on('SIGUSR2', () => { for (const session of sessions.keys()) session.destroy(); });
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
