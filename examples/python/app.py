import bottle

bottle.route("/")(lambda: {"bottle": bottle.__version__})

if __name__ == "__main__":
    bottle.run(host="0.0.0.0", port=8000, quiet=True)
