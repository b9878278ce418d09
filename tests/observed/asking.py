"""A service that asks others: over HTTP, a database, a cache."""

import sqlite3


def order(ask, *given):
    kept = 7
    answer = ask(*given)  # P:ask
    return answer if kept else None


async def order_async(ask, *given):
    return await ask(*given)


def elsewhere(ask, *given):
    return ask(*given)


def stored(path, name):
    connection = sqlite3.connect(path)
    try:
        connection.execute("create table if not exists orders (id integer, name text)")
        cursor = connection.cursor()
        cursor.execute("insert into orders values (7, 'secret name')")
        cursor.execute("select id from orders where name = ?", (name,))
        return cursor.fetchall()
    finally:
        connection.close()


def failing(connection):
    return connection.execute("select * from nowhere")


def not_a_database(thing):
    return thing.execute("select 1")
