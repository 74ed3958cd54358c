// The official TypeScript SDK, version 1 (revisions up to 2025-11-25).
// Takes one JSON argument (see README.md) and prints what the server answered as JSON.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const plan = JSON.parse(process.argv[2]);
const transport = plan.url
  ? new StreamableHTTPClientTransport(new URL(plan.url))
  : new StdioClientTransport({ command: plan.command, args: plan.args, cwd: plan.cwd, env: plan.env, stderr: "ignore" });
const client = new Client({ name: "typescript-sdk-1", version: "1" });
await client.connect(transport);
const answer = { server: client.getServerVersion().name, tools: [], results: [], progress: 0 };
answer.tools = (await client.listTools()).tools.map((tool) => tool.name);
for (const call of plan.calls) {
  const result = await client.callTool({ name: call.tool, arguments: call.arguments }, undefined, {
    onprogress: () => (answer.progress += 1),
  });
  answer.results.push({ isError: result.isError ?? false, structured: result.structuredContent });
}
if (plan.resource) {
  answer.resource = (await client.readResource({ uri: plan.resource })).contents[0].text;
}
await client.close();
console.log(JSON.stringify(answer));
