# A WebSocket server that sends back what it gets. It prints its port once it listens.
import asyncio

import websockets


async def echo(client):
    async for message in client:
        await client.send(message)


async def main():
    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
