// The official TypeScript SDK, version 2 (2026-07-28, or the older handshake where asked).
// Takes one JSON argument (see README.md) and prints what the server answered as JSON.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const plan = JSON.parse(process.argv[2]);
const transport = plan.url
  ? new StreamableHTTPClientTransport(new URL(plan.url))
  : new StdioClientTransport({ command: plan.command, args: plan.args, cwd: plan.cwd, env: plan.env, stderr: "ignore" });
const mode = plan.era === "stateless" ? "auto" : "legacy";
const client = new Client({ name: "typescript-sdk-2", version: "2" }, { versionNegotiation: { mode } });
await client.connect(transport);
const answer = { server: client.getServerVersion().name, tools: [], results: [], progress: 0 };
answer.protocol = client.getNegotiatedProtocolVersion?.();
answer.tools = (await client.listTools()).tools.map((tool) => tool.name);
for (const call of plan.calls) {
  const result = await client.callTool({ name: call.tool, arguments: call.arguments });
  answer.results.push({ isError: result.isError ?? false, structured: result.structuredContent });
}
if (plan.resource) {
  answer.resource = (await client.readResource({ uri: plan.resource })).contents[0].text;
}
await client.close();
console.log(JSON.stringify(answer));
