"""Pictures that image models answer with: their sizes, how they are drawn, and the answers around them."""
