// Talks to the server that gave us this page, and to nobody else. The token comes in the fragment of the link, which
// browsers never send, and stays in this tab. All addresses are relative to the page: a proxy may serve it anywhere.

const KEY = "coldray-token";

export function takeToken() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found) {
    sessionStorage.setItem(KEY, found);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(KEY);
}

const token = () => sessionStorage.getItem(KEY) || "";

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function checked(response) {
  if (response.ok) return response;
  let message = `the server answers ${response.status}`;
  try {
    message = (await response.json()).error || message;
  } catch {
    /* no JSON: the status says it */
  }
  throw new ApiError(response.status, message);
}

export async function call(method, path, body) {
  const headers = { Authorization: `Bearer ${token()}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const response = await checked(await fetch(path, { method, headers, body: sent, cache: "no-store" }));
  return response.status === 204 ? null : response.json();
}

// Pixels of one frame as a typed array; told(fraction) while they arrive.
export async function pixels(layer, frame, told, signal) {
  const path = `api/layers/${layer.id}/pixels?frame=${frame}`;
  const response = await checked(await fetch(path, { headers: { Authorization: `Bearer ${token()}` }, signal }));
  const size = layer.rows * layer.cols * (layer.wire === "u2" ? 2 : 4);
  const bytes = new Uint8Array(size);
  const reader = response.body.getReader();
  let got = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (got + value.length > size) throw new ApiError(0, "more pixels arrived than the image has");
    bytes.set(value, got);
    got += value.length;
    told(got / size);
  }
  if (got !== size) throw new ApiError(0, "the pixels did not arrive whole");
  return layer.wire === "u2" ? new Uint16Array(bytes.buffer) : new Float32Array(bytes.buffer);
}

export function upload(path, file, told) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Authorization", `Bearer ${token()}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
    request.upload.onprogress = (event) => event.lengthComputable && told(event.loaded / event.total);
    request.onerror = () => reject(new ApiError(0, "the connection broke, or the file is larger than allowed"));
    request.onload = () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        /* handled by the status */
      }
      if (request.status < 300) resolve(answer);
      else reject(new ApiError(request.status, answer.error || `the server answers ${request.status}`));
    };
    request.send(file);
  });
}

export async function blob(path) {
  return (await checked(await fetch(path, { headers: { Authorization: `Bearer ${token()}` } }))).blob();
}

export async function download(path) {
  const response = await checked(await fetch(path, { headers: { Authorization: `Bearer ${token()}` } }));
  const encoded = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("Content-Disposition") || "");
  save(await response.blob(), encoded ? decodeURIComponent(encoded[1]) : "download");
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Calls back for every message; connects again when the connection breaks.
export function listen(onMessage, onState) {
  let wait = 500;
  const connect = () => {
    const address = new URL("api/events", document.baseURI);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    address.hash = "";
    const socket = new WebSocket(address, ["coldray", `token.${token()}`]);
    socket.onopen = () => {
      wait = 500;
      onState(true);
    };
    socket.onmessage = (event) => onMessage(JSON.parse(event.data));
    socket.onclose = () => {
      onState(false);
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, 10000);
    };
  };
  connect();
}
