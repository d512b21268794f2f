/*
 * CometD Java 3.1 embedded in Jetty 9.4: the generation of javax.servlet and
 * JSR 356, which many installations still run. As ../cometd-java it has the
 * control lines of ../CONTROL.md on standard input and output, and serves
 * long-polling and WebSocket at /cometd on the loopback interface.
 *
 * It adds nothing to the server but counters and the services that the
 * conversations need; how it speaks Bayeux is all CometD's own.
 */
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

import org.cometd.bayeux.server.BayeuxServer;
import org.cometd.bayeux.server.ConfigurableServerChannel;
import org.cometd.bayeux.server.ServerChannel;
import org.cometd.bayeux.server.ServerMessage;
import org.cometd.bayeux.server.ServerSession;
import org.cometd.server.BayeuxServerImpl;
import org.cometd.server.CometDServlet;
import org.cometd.server.ext.AcknowledgedMessagesExtension;
import org.cometd.server.transport.AsyncJSONTransport;
import org.cometd.websocket.server.WebSocketTransport;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;
import org.eclipse.jetty.websocket.jsr356.server.deploy.WebSocketServerContainerInitializer;

public class CometDJava3 {
	private static final long BIND_PATIENCE_MS = 10_000;

	private final Counters counters = new Counters();
	private BayeuxServerImpl bayeux;

	public static void main(String[] args) throws Exception {
		try {
			new CometDJava3().run(new Options(args));
		} catch (IllegalArgumentException wrong) {
			System.err.println("cometd-java-3: " + wrong.getMessage());
			System.exit(2);
		}
	}

	private void run(Options options) throws Exception {
		Server server = new Server();
		ServerConnector connector = new ServerConnector(server, 1, 2);
		connector.setHost("127.0.0.1");
		connector.setPort(options.port);
		server.addConnector(connector);
		server.setHandler(handler(options));
		bind(connector);
		server.start();
		addServices();
		say("listening " + connector.getLocalPort());
		obey();
		/* a stop in good order would tell the clients; a test that ends or
		 * restarts the server wants it gone */
		Runtime.getRuntime().halt(0);
	}

	private ServletContextHandler handler(Options options) throws Exception {
		ServletContextHandler context = new ServletContextHandler(null, "/");
		CometDServlet servlet = new CometDServlet() {
			@Override
			protected BayeuxServerImpl newBayeuxServer() {
				bayeux = new BayeuxServerImpl();
				options.bayeux.forEach(bayeux::setOption);
				bayeux.addExtension(counters);
				if (options.ack)
					bayeux.addExtension(new AcknowledgedMessagesExtension());
				return bayeux;
			}
		};
		ServletHolder holder = new ServletHolder(servlet);
		holder.setInitOrder(1);
		holder.setAsyncSupported(true);
		WebSocketServerContainerInitializer.configure(context, null);
		context.addServlet(holder, "/cometd/*");
		return context;
	}

	/* A test restarts the server on the port of the one it just killed. */
	private static void bind(ServerConnector connector) throws Exception {
		long deadline = System.nanoTime() + BIND_PATIENCE_MS * 1_000_000;

		connector.setReuseAddress(true);
		for (;;) {
			try {
				connector.open();
				return;
			} catch (java.io.IOException taken) {
				if (System.nanoTime() > deadline)
					throw taken;
				Thread.sleep(20);
			}
		}
	}

	private void addServices() {
		serve("/service/echo", this::echo);
		/* a plain delivery on another channel */
		serve("/service/deliver", (session, message) ->
			session.deliver(null, "/service/answer", message.getData()));
		/* one that never answers */
		serve("/service/silent", (session, message) -> { });
	}

	/* What CometD's annotation of remote calls sends: the caller's id, and how it went. */
	private void echo(ServerSession session, ServerMessage message) {
		ServerMessage.Mutable answer = bayeux.newMessage();
		answer.setId(message.getId());
		answer.setSuccessful(true);
		answer.setChannel(message.getChannel());
		answer.setData(message.getData());
		session.deliver(null, answer);
	}

	private void serve(String name, java.util.function.BiConsumer<ServerSession, ServerMessage> service) {
		ServerChannel channel = bayeux.createChannelIfAbsent(name,
			(ConfigurableServerChannel.Initializer)c -> c.setPersistent(true)).getReference();
		channel.addListener(new ServerChannel.MessageListener() {
			@Override
			public boolean onMessage(ServerSession from, ServerChannel c, ServerMessage.Mutable message) {
				service.accept(from, message);
				return true;
			}
		});
	}

	private void obey() throws Exception {
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
		String line;

		while ((line = in.readLine()) != null) {
			String[] words = line.split(" ", 3);
			if (words[0].equals("quit"))
				break;
			try {
				say(command(words));
			} catch (Exception wrong) {
				say("error " + wrong);
			}
		}
	}

	private String command(String[] words) throws Exception {
		switch (words[0]) {
		case "stats":
			return counters.json(bayeux.getSessions().size());
		case "publish":
			publish(words[1], data(words[2]));
			return "ok";
		case "burst":
			for (long n = 0; n < Long.parseLong(words[2]); n++) {
				Map<String, Object> data = new HashMap<>();
				data.put("n", n);
				publish(words[1], data);
			}
			return "ok";
		case "kick":
			bayeux.getSessions().forEach(ServerSession::disconnect);
			return "ok";
		case "expire":
			for (ServerSession session : bayeux.getSessions())
				bayeux.removeServerSession(session, true);
			return "ok";
		case "await":
			String[] rest = words[2].split(" ");
			return await(words[1], Long.parseLong(rest[0]), Long.parseLong(rest[1])) ? "ok" : "timeout";
		default:
			return "error unknown command";
		}
	}

	private Object data(String json) throws Exception {
		return bayeux.getJSONContext().parse("[{\"data\":" + json + "}]")[0].getData();
	}

	private void publish(String channel, Object data) {
		ServerMessage.Mutable message = bayeux.newMessage();
		message.setChannel(channel);
		/* setData(null) would leave the field out */
		message.put("data", data);
		bayeux.createChannelIfAbsent(channel).getReference().publish(null, message);
	}

	private boolean await(String kind, long count, long ms) throws InterruptedException {
		long deadline = System.nanoTime() + ms * 1_000_000;

		for (;;) {
			if (kind.equals("sessions") ? bayeux.getSessions().size() == count
					: counters.get(kind) >= count)
				return true;
			if (System.nanoTime() > deadline)
				return false;
			Thread.sleep(5);
		}
	}

	private static void say(String line) {
		System.out.writeBytes((line + "\n").getBytes(StandardCharsets.UTF_8));
		System.out.flush();
	}

	/* What the clients sent, counted message by message before the server acts on it. */
	private static class Counters extends BayeuxServer.Extension.Adapter {
		private final Map<String, Long> totals = new TreeMap<>();
		private final Map<String, Long> subscribes = new TreeMap<>();
		private final Map<String, Long> unsubscribes = new TreeMap<>();

		@Override
		public synchronized boolean rcv(ServerSession from, ServerMessage.Mutable message) {
			totals.merge("publishes", 1L, Long::sum);
			return true;
		}

		@Override
		public synchronized boolean rcvMeta(ServerSession from, ServerMessage.Mutable message) {
			String kind = message.getChannel().substring("/meta/".length()) + "s";
			totals.merge(kind, 1L, Long::sum);
			if (kind.equals("subscribes") || kind.equals("unsubscribes")) {
				Object wanted = message.get("subscription");
				(kind.equals("subscribes") ? subscribes : unsubscribes)
					.merge(String.valueOf(wanted), 1L, Long::sum);
			}
			return true;
		}

		synchronized long get(String kind) {
			return totals.getOrDefault(kind, 0L);
		}

		synchronized String json(int sessions) {
			return String.format("{\"handshakes\":%d,\"subscribes\":%s,\"unsubscribes\":%s,"
				+ "\"publishes\":%d,\"connects\":%d,\"sessions\":%d,\"disconnects\":%d}",
				get("handshakes"), object(subscribes), object(unsubscribes),
				get("publishes"), get("connects"), sessions, get("disconnects"));
		}

		private static String object(Map<String, Long> map) {
			StringBuilder text = new StringBuilder("{");
			map.forEach((name, count) -> text.append(text.length() > 1 ? "," : "")
				.append('"').append(name.replace("\\", "\\\\").replace("\"", "\\\""))
				.append("\":").append(count));
			return text.append('}').toString();
		}
	}

	private static class Options {
		int port;
		boolean ack;
		final Map<String, Object> bayeux = new HashMap<>();

		Options(String[] args) {
			bayeux.put(BayeuxServerImpl.TRANSPORTS_OPTION,
				AsyncJSONTransport.class.getName() + "," + WebSocketTransport.class.getName());
			bayeux.put("ws.cometdURLMapping", "/cometd/*");
			for (int i = 0; i < args.length; i++) {
				switch (args[i]) {
				case "--ack" -> ack = true;
				case "--handshake-reconnect" -> bayeux.put("handshakeReconnect", "true");
				case "--port" -> port = Integer.parseInt(value(args, ++i));
				case "--timeout" -> bayeux.put("timeout", value(args, ++i));
				case "--interval" -> bayeux.put("interval", value(args, ++i));
				case "--max-interval" -> bayeux.put("maxInterval", value(args, ++i));
				case "--max-message-size" -> bayeux.put("maxMessageSize", value(args, ++i));
				default -> throw new IllegalArgumentException("unknown option " + args[i]);
				}
			}
		}

		private static String value(String[] args, int i) {
			if (i >= args.length)
				throw new IllegalArgumentException(args[i - 1] + " wants a value");
			return args[i];
		}
	}
}
