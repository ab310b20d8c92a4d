// node ts-sdk-node.js <origin of the proxy>, with the Cookie header in $COOKIE
// and a picture, in base64, on standard input.
import { text } from "node:stream/consumers";
import { exercise, stock } from "./ts-sdk.js";

const proxy = process.argv[2] + "/spotify";
const Cookie = process.env.COOKIE;

const result = await exercise(
  stock((url, init) => fetch(proxy + url.slice(url.lastIndexOf("/v1/")), { ...init, headers: { ...init.headers, Cookie } })),
  await text(process.stdin),
);
console.log(JSON.stringify(result));
